//! `gradient spy`: which entries of a Jacobian or Hessian can differ from zero, as a picture.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use gradient_client::{Array, Block, BlockData, Dtype, Layout, Product, Tensor, Type};
use serde_json::json;

use crate::{
    bindings::{Binding, TYPES_HELP},
    figure,
    function::{Batch, Function},
    output::Output,
    render,
    target::Target,
};

/// Columns and rows of dots on a terminal; a letter holds 2 × 4.
const DOTS: (usize, usize) = (128, 128);
/// Columns and rows of a picture.
const CELLS: (usize, usize) = (240, 240);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gradient spy 'x*sin(x)' x:[40]
  gradient spy graph.json --output r --svg pattern.svg
  gradient spy 'sum(x^2)' x:[40] --hessian")]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(value_name = "NAME:TYPE", help = TYPES_HELP)]
    bindings: Vec<Binding>,

    /// Outputs, which are the rows; all if left out
    #[arg(long = "output", value_name = "NAME", value_delimiter = ',')]
    outputs: Vec<String>,

    /// Inputs, which are the columns; all if left out
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    wrt: Vec<String>,

    /// The Hessian of a scalar output in place of the Jacobian
    #[arg(long)]
    hessian: bool,

    /// Draw the pattern into a file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Draw the pattern into a file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let function = Function::read(&args.function)?;
    let batch = Batch::default();
    let (_, session) = function.open(target, &args.bindings, &batch).await?;
    let product = match (args.hessian, &args.outputs[..]) {
        (false, _) => Product::Jacobian {
            outputs: args.outputs,
            wrt: args.wrt,
            layout: Layout::Sparse,
        },
        (true, [] | [_]) => Product::Hessian {
            output: args.outputs.into_iter().next().unwrap_or_default(),
            wrt: args.wrt,
            layout: Layout::Sparse,
        },
        (true, _) => bail!("a Hessian is that of one output; name one with --output"),
    };
    // Where entries stand does not depend on the point.
    let mut request = session.request();
    for (name, ty) in session.inputs() {
        let ty = ty.with_context(|| format!("the type of input {name:?} is not known"))?;
        request = request.input(name, zeros(&ty)?);
    }
    let answer = request.product(product).send().await?;
    let result = answer.results.first().context("no result")?;
    let pattern = Pattern::of(&result.blocks)?;
    let title = format!(
        "{} × {}, {} entries ({:.3} %)",
        pattern.rows,
        pattern.columns,
        pattern.entries.len(),
        100.0 * pattern.fill()
    );
    let grid = || pattern.grid(CELLS);
    if let Some(path) = &args.svg {
        figure::write_svg(path, &title, &figure::Drawing::Pattern(&grid()))?;
    }
    if let Some(path) = &args.png {
        figure::write_png(path, &title, &figure::Drawing::Pattern(&grid()))?;
    }
    if output.is_json() {
        let blocks = pattern.blocks.iter().map(|block| {
            json!({
                "rows_of": block.rows_of,
                "columns_of": block.columns_of,
                "shape": [block.shape[0], block.shape[1]],
                "entries": block.entries,
            })
        });
        return output.print_json(&json!({
            "graph_id": answer.graph_id,
            "shape": [pattern.rows, pattern.columns],
            "rows": pattern.entries.iter().map(|e| e.0).collect::<Vec<_>>(),
            "columns": pattern.entries.iter().map(|e| e.1).collect::<Vec<_>>(),
            "blocks": blocks.collect::<Vec<_>>(),
            "plan": render::plan(&result.plan),
        }));
    }
    let mut text = braille(&pattern.grid(DOTS));
    text += &format!("{title}\n");
    let rows = pattern.blocks.iter().map(|block| {
        [
            block.rows_of.clone(),
            block.columns_of.clone(),
            format!("{} × {}", block.shape[0], block.shape[1]),
            block.entries.to_string(),
        ]
    });
    text += &output.table(["rows", "columns", "shape", "entries"], rows);
    text += &format!("\n{}", result.plan.reason);
    output.print(&text)
}

fn zeros(ty: &Type) -> anyhow::Result<Tensor> {
    fn of<T: Default + gradient_client::Element>(shape: &[usize]) -> anyhow::Result<Array<T>> {
        let numbers = vec![T::default(); shape.iter().product()];
        Array::new(shape, numbers).context("a shape that cannot be addressed")
    }
    Ok(match ty.dtype {
        Dtype::F64 => of::<f64>(&ty.shape)?.into(),
        Dtype::F32 => of::<f32>(&ty.shape)?.into(),
        Dtype::I64 => of::<i64>(&ty.shape)?.into(),
        Dtype::Bool => of::<bool>(&ty.shape)?.into(),
    })
}

/// A block's part of a pattern.
struct Part {
    rows_of: String,
    columns_of: String,
    shape: [usize; 2],
    entries: usize,
}

/// Entries of a matrix of blocks.
struct Pattern {
    rows: usize,
    columns: usize,
    entries: Vec<(usize, usize)>,
    blocks: Vec<Part>,
}

/// Whether anything lies in each cell: rows of cells.
pub type Grid = Vec<Vec<bool>>;

impl Pattern {
    /// Blocks come row by row; a new name of rows begins a new row.
    fn of(blocks: &[Block]) -> anyhow::Result<Self> {
        let mut pattern = Self {
            rows: 0,
            columns: 0,
            entries: vec![],
            blocks: vec![],
        };
        let (mut above, mut left, mut below) = (0, 0, 0);
        for block in blocks {
            let BlockData::Sparse(matrix) = &block.data else {
                bail!("the server answered a dense matrix");
            };
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            let (rows_of, columns_of) = match &block.wrt_second {
                Some(second) => (name(&block.wrt), second.clone()),
                None => (name(&block.output), name(&block.wrt)),
            };
            if pattern
                .blocks
                .last()
                .is_some_and(|part| part.rows_of != rows_of)
            {
                (above, left) = (below, 0);
            }
            let [m, n] = matrix.shape;
            let places = matrix.rows.iter().zip(&matrix.columns);
            pattern
                .entries
                .extend(places.map(|(i, j)| (above + i, left + j)));
            left += n;
            below = above + m;
            pattern.rows = pattern.rows.max(below);
            pattern.columns = pattern.columns.max(left);
            pattern.blocks.push(Part {
                rows_of,
                columns_of,
                shape: matrix.shape,
                entries: matrix.rows.len(),
            });
        }
        pattern.entries.sort_unstable();
        Ok(pattern)
    }

    fn fill(&self) -> f64 {
        let size = self.rows as f64 * self.columns as f64;
        self.entries.len() as f64 / size.max(1.0)
    }

    /// Cells of at most so many columns and rows, square as far as the shape is.
    fn grid(&self, (width, height): (usize, usize)) -> Grid {
        let factor = (self.columns.div_ceil(width))
            .max(self.rows.div_ceil(height))
            .max(1);
        let mut grid = vec![vec![false; self.columns.div_ceil(factor)]; self.rows.div_ceil(factor)];
        for &(i, j) in &self.entries {
            grid[i / factor][j / factor] = true;
        }
        grid
    }
}

/// A grid in Braille letters, framed.
fn braille(grid: &Grid) -> String {
    /// Bit of each dot, by row and column within a letter (Unicode 2800).
    const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let width = grid.first().map_or(0, Vec::len).div_ceil(2);
    let bar = "─".repeat(width);
    let mut text = format!("┌{bar}┐\n");
    for rows in grid.chunks(4) {
        let letter = |c: usize| {
            let mut bits = 0;
            for (row, of_row) in rows.iter().zip(BITS) {
                for (d, bit) in of_row.into_iter().enumerate() {
                    if row.get(2 * c + d) == Some(&true) {
                        bits |= bit;
                    }
                }
            }
            char::from_u32(0x2800 + bits).unwrap_or(' ')
        };
        let line: String = (0..width).map(letter).collect();
        text += &format!("│{line}│\n");
    }
    text + &format!("└{bar}┘\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_where_entries_are() {
        let diagonal = Pattern {
            rows: 4,
            columns: 4,
            entries: (0..4).map(|i| (i, i)).collect(),
            blocks: vec![],
        };
        assert_eq!(braille(&diagonal.grid(DOTS)), "┌──┐\n│⠑⢄│\n└──┘\n");
        // Cells of 2 × 2.
        assert_eq!(
            diagonal.grid((2, 2)),
            [[true, false], [false, true]].map(Vec::from)
        );
        assert_eq!(diagonal.fill(), 0.25);
    }
}

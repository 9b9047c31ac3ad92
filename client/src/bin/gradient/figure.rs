//! Errors against steps, and patterns of matrices, as pictures: SVG or PNG.
//!
//! Neither needs a font of the system: an SVG leaves text to whoever shows it, and a PNG gets its letters from a
//! bitmap font of 8 × 8 points in this program.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};
use font8x8::UnicodeFonts;
use plotters::{
    backend::BitMapBackend,
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::chart::{CURVES, Curve, decades, drawable, label_every};

const SIZE: (u32, u32) = (840, 560);
/// Room on the left, on the right, above, below the axes.
const MARGINS: (i32, i32, i32, i32) = (80, 24, 56, 64);
const COLORS: [RGBColor; CURVES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];
const GRID: RGBColor = RGBColor(224, 224, 224);

/// What a picture shows.
pub enum Drawing<'d> {
    /// Errors against steps.
    Curves(&'d [Curve]),
    /// Where entries stand: rows of cells.
    Pattern(&'d [Vec<bool>]),
}

/// Where a text stands to its point.
#[derive(Clone, Copy, PartialEq)]
enum Align {
    Left,
    Center,
    Right,
}

/// Writes a picture of this file's kind.
///
/// # Errors
/// If the file cannot be written.
pub fn write_svg(path: &Path, title: &str, drawing: &Drawing<'_>) -> anyhow::Result<()> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        picture(&root, title, drawing, &|root, words, at, align| {
            let pos = match align {
                Align::Left => HPos::Left,
                Align::Center => HPos::Center,
                Align::Right => HPos::Right,
            };
            let style = ("sans-serif", 14).into_font().color(&BLACK);
            root.draw(&Text::new(
                words.to_owned(),
                at,
                style.pos(Pos::new(pos, VPos::Center)),
            ))
            .map_err(|error| anyhow!("{error}"))
        })?;
        root.present().map_err(|error| anyhow!("{error}"))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// As [`write_svg`].
///
/// # Errors
/// If the file cannot be written.
pub fn write_png(path: &Path, title: &str, drawing: &Drawing<'_>) -> anyhow::Result<()> {
    let mut pixels = vec![255u8; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        picture(&root, title, drawing, &|root, words, at, align| {
            letters(root, words, at, align)
        })?;
        root.present().map_err(|error| anyhow!("{error}"))?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

type Area<B> = DrawingArea<B, Shift>;

/// Letters of the bitmap font, point by point.
fn letters(
    root: &Area<BitMapBackend<'_>>,
    words: &str,
    (x, y): (i32, i32),
    align: Align,
) -> anyhow::Result<()> {
    let width = 8 * words.chars().count() as i32;
    let left = match align {
        Align::Left => x,
        Align::Center => x - width / 2,
        Align::Right => x - width,
    };
    for (k, letter) in words.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(letter).unwrap_or([0; 8]);
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..8).filter(|c| bits & (1 << c) != 0) {
                let at = (left + 8 * k as i32 + column, y - 4 + row as i32);
                root.draw_pixel(at, &BLACK)
                    .map_err(|error| anyhow!("{error}"))?;
            }
        }
    }
    Ok(())
}

/// Text on an area: words, point, alignment.
type Write<'w, B> = &'w dyn Fn(&Area<B>, &str, (i32, i32), Align) -> anyhow::Result<()>;

fn picture<B: DrawingBackend>(
    root: &Area<B>,
    title: &str,
    drawing: &Drawing<'_>,
    write: Write<'_, B>,
) -> anyhow::Result<()>
where
    B::ErrorType: 'static,
{
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    match drawing {
        Drawing::Curves(curves) => errors_against_steps(root, title, curves, write),
        Drawing::Pattern(rows) => pattern(root, title, rows, write),
    }
}

/// Square cells, runs of them as one rectangle, in a frame.
fn pattern<B: DrawingBackend>(
    root: &Area<B>,
    title: &str,
    rows: &[Vec<bool>],
    write: Write<'_, B>,
) -> anyhow::Result<()>
where
    B::ErrorType: 'static,
{
    let draw_error = |error: DrawingAreaErrorKind<B::ErrorType>| anyhow!("{error}");
    write(root, title, (SIZE.0 as i32 / 2, 20), Align::Center)?;
    let columns = rows.first().map_or(0, Vec::len);
    let room = (SIZE.0 as i32 - 48, SIZE.1 as i32 - 64);
    let fits = |room: i32, count: usize| room / (count as i32).max(1);
    let cell = fits(room.0, columns)
        .min(fits(room.1, rows.len()))
        .clamp(1, 32);
    let (width, height) = (cell * columns as i32, cell * rows.len() as i32);
    let (left, above) = ((SIZE.0 as i32 - width) / 2, 40 + (room.1 - height) / 2);
    for (i, row) in rows.iter().enumerate() {
        let top = above + cell * i as i32;
        let mut begin = 0;
        for run in row.chunk_by(|a, b| a == b) {
            let end = begin + run.len();
            if run[0] {
                let x = |column: usize| left + cell * column as i32;
                let corners = [(x(begin), top), (x(end), top + cell)];
                root.draw(&Rectangle::new(corners, COLORS[0].filled()))
                    .map_err(draw_error)?;
            }
            begin = end;
        }
    }
    let frame = [
        (left - 2, above - 2),
        (left + width + 2, above + height + 2),
    ];
    root.draw(&Rectangle::new(frame, BLACK)).map_err(draw_error)
}

fn errors_against_steps<B: DrawingBackend>(
    root: &Area<B>,
    title: &str,
    curves: &[Curve],
    write: Write<'_, B>,
) -> anyhow::Result<()>
where
    B::ErrorType: 'static,
{
    let draw_error = |error: DrawingAreaErrorKind<B::ErrorType>| anyhow!("{error}");
    let (left, right, above, below) = MARGINS;
    let (width, height) = (SIZE.0 as i32 - left - right, SIZE.1 as i32 - above - below);
    write(root, title, (SIZE.0 as i32 / 2, 20), Align::Center)?;
    write(root, "relative error", (left - 64, 44), Align::Left)?;
    write(
        root,
        "step",
        (left + width, SIZE.1 as i32 - 16),
        Align::Right,
    )?;

    let points: Vec<Vec<(f64, f64)>> = curves.iter().take(CURVES).map(drawable).collect();
    let all = || points.iter().flatten();
    let (Some(steps), Some(errors)) = (decades(all().map(|p| p.0)), decades(all().map(|p| p.1)))
    else {
        let middle = (SIZE.0 as i32 / 2, SIZE.1 as i32 / 2);
        return write(
            root,
            "no step gives a finite difference",
            middle,
            Align::Center,
        );
    };
    let scale = |log: f64, (low, high): (i32, i32), length: i32| {
        let at = (log - f64::from(low)) / f64::from(high - low);
        (f64::from(length) * at).round() as i32
    };
    let x = |log: f64| left + scale(log, steps, width);
    let y = |log: f64| above + height - scale(log, errors, height);
    let line = |from: (i32, i32), to: (i32, i32), color: &RGBColor| {
        root.draw(&PathElement::new(vec![from, to], color))
            .map_err(draw_error)
    };
    for d in (steps.0..=steps.1).step_by(label_every((steps.1 - steps.0) as usize, 13)) {
        let at = x(f64::from(d));
        line((at, above), (at, above + height), &GRID)?;
        write(
            root,
            &format!("1e{d}"),
            (at, above + height + 16),
            Align::Center,
        )?;
    }
    for d in (errors.0..=errors.1).step_by(label_every((errors.1 - errors.0) as usize, 18)) {
        let at = y(f64::from(d));
        line((left, at), (left + width, at), &GRID)?;
        write(root, &format!("1e{d}"), (left - 8, at), Align::Right)?;
    }
    line((left, above), (left, above + height), &BLACK)?;
    line(
        (left, above + height),
        (left + width, above + height),
        &BLACK,
    )?;
    for (k, (curve, points)) in curves.iter().zip(&points).enumerate() {
        let color = COLORS[k];
        let places: Vec<(i32, i32)> = points
            .iter()
            .map(|(step, error)| (x(step.log10()), y(error.log10())))
            .collect();
        root.draw(&PathElement::new(places.clone(), color.stroke_width(2)))
            .map_err(draw_error)?;
        for &place in &places {
            root.draw(&Circle::new(place, 4, color.filled()))
                .map_err(draw_error)?;
        }
        let at = above + 14 + 18 * k as i32;
        // Above the lowest point of a V there is room.
        let start = left + width / 2 - 110;
        line((start, at), (start + 24, at), &color)?;
        root.draw(&Circle::new((start + 12, at), 4, color.filled()))
            .map_err(draw_error)?;
        let name: String = curve.name.chars().take(23).collect();
        write(root, &name, (start + 32, at), Align::Left)?;
    }
    Ok(())
}

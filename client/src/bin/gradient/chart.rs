//! Errors against steps in characters, both axes logarithmic. No colours: it looks the same in a pipe.

/// One curve: its name, and (step, error) in any order.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Width of the plotting area, and the most that its height may be, in characters.
const WIDTH: usize = 61;
const HEIGHT: usize = 21;

/// A sign for each curve; more curves than signs are not drawn.
const SIGNS: [char; 6] = ['●', '○', '◆', '◇', '■', '□'];

/// Curves that a chart shows.
pub const CURVES: usize = SIGNS.len();

/// Errors of exactly 0 are drawn here: below anything that rounding gives.
const FLOOR: f64 = 1e-17;

/// The decades that hold all these numbers.
pub fn decades(numbers: impl Iterator<Item = f64>) -> Option<(i32, i32)> {
    let logs = numbers.map(|x| x.max(FLOOR).log10());
    let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| {
        (l.min(x), h.max(x))
    });
    (low <= high).then(|| {
        let (low, high) = (low.floor() as i32, high.ceil() as i32);
        (low, high.max(low + 1))
    })
}

/// Steps and errors.
type Points = Vec<(f64, f64)>;

/// Points of a curve that can be drawn, by step.
pub fn drawable(curve: &Curve) -> Points {
    let finite = |(step, error): &&(f64, f64)| step.is_finite() && *step > 0.0 && error.is_finite();
    let mut points: Vec<(f64, f64)> = curve.points.iter().filter(finite).copied().collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let floored = points.into_iter().map(|(s, e)| (s, e.max(FLOOR)));
    floored.collect()
}

/// The chart, its axes and its legend, as lines.
pub fn draw(curves: &[Curve]) -> String {
    let shown: Vec<(char, &Curve, Points)> = SIGNS
        .iter()
        .zip(curves)
        .map(|(&sign, curve)| (sign, curve, drawable(curve)))
        .collect();
    let all = || shown.iter().flat_map(|(_, _, points)| points);
    let (Some((left, right)), Some((bottom, top))) =
        (decades(all().map(|p| p.0)), decades(all().map(|p| p.1)))
    else {
        return "no step gives a finite difference\n".into();
    };
    // A whole number of rows a decade, so that labels stand evenly.
    let span = (top - bottom) as usize;
    let height = 1 + span * ((HEIGHT - 1) / span).clamp(1, 4);
    let column = |step: f64| {
        let at = (step.log10() - f64::from(left)) / f64::from(right - left);
        ((WIDTH - 1) as f64 * at).round() as usize
    };
    let row = |error: f64| {
        let at = (error.log10() - f64::from(bottom)) / f64::from(top - bottom);
        height - 1 - ((height - 1) as f64 * at).round() as usize
    };
    let mut cells = vec![[' '; WIDTH]; height];
    // Lines first, so that no line hides a point.
    for (_, _, points) in &shown {
        for pair in points.windows(2) {
            let ((s0, e0), (s1, e1)) = (pair[0], pair[1]);
            let (from, to) = (column(s0), column(s1));
            for k in 0..=to - from {
                let t = k as f64 / (to - from).max(1) as f64;
                let log = e0.log10() + t * (e1.log10() - e0.log10());
                cells[row(10f64.powf(log))][from + k] = '·';
            }
        }
    }
    for (sign, _, points) in shown.iter().rev() {
        for (step, error) in points {
            cells[row(*error)][column(*step)] = *sign;
        }
    }
    let mut text = String::from("relative error\n");
    let every = label_every(span, HEIGHT - 1);
    for (r, line) in cells.iter().enumerate() {
        let decade = (bottom..=top)
            .step_by(every)
            .find(|&d| row(10f64.powi(d)) == r);
        let label = decade.map_or(String::new(), |d| format!("1e{d}"));
        let tick = if decade.is_some() { '┤' } else { '│' };
        let line: String = line.iter().collect();
        text += &format!("{label:>6} {tick}{}\n", line.trim_end());
    }
    let (mut axis, mut labels) = (vec!['─'; WIDTH], vec![' '; WIDTH + 8]);
    // A label takes six characters.
    let every = label_every((right - left) as usize, WIDTH / 6);
    for d in (left..=right).step_by(every) {
        let c = column(10f64.powi(d));
        axis[c] = '┬';
        let label = format!("1e{d}");
        let first = c.saturating_sub(label.len() / 2);
        for (k, letter) in label.chars().enumerate() {
            labels[first + k] = letter;
        }
    }
    let (axis, labels): (String, String) = (axis.iter().collect(), labels.iter().collect());
    text += &format!("       └{axis}\n        {}\n", labels.trim_end());
    text += &format!("{:>width$}\n", "step", width = 8 + WIDTH);
    for (sign, curve, _) in &shown {
        text += &format!("  {sign} {}\n", curve.name);
    }
    if curves.len() > SIGNS.len() {
        text += &format!("  … and {} more\n", curves.len() - SIGNS.len());
    }
    text
}

/// Every how many decades a label has room.
pub fn label_every(decades: usize, room: usize) -> usize {
    decades.div_ceil(room.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v() -> Curve {
        let points = (1..=12).map(|k| {
            let h = 10f64.powi(-k);
            (h, h * h / 6.0 + 1e-16 / h)
        });
        Curve {
            name: "d f / d x".into(),
            points: points.collect(),
        }
    }

    #[test]
    fn a_v_is_drawn_as_a_v() {
        let text = draw(&[v()]);
        let lines: Vec<&str> = text.lines().collect();
        let area = lines[1..].iter().take_while(|line| !line.contains('└'));
        let signs: Vec<(usize, usize)> = area
            .enumerate()
            .flat_map(|(r, line)| {
                let columns = line.chars().enumerate().filter(|(_, c)| *c == '●');
                columns.map(move |(c, _)| (r, c))
            })
            .collect();
        assert_eq!(signs.len(), 12, "{text}");
        let mut by_column = signs.clone();
        by_column.sort_by_key(|(_, c)| *c);
        let lowest = by_column.iter().map(|(r, _)| *r).max().unwrap();
        let turn = by_column.iter().position(|(r, _)| *r == lowest).unwrap();
        assert!((1..11).contains(&turn), "{text}");
        assert!(
            by_column[..=turn].windows(2).all(|p| p[0].0 <= p[1].0),
            "{text}"
        );
        assert!(
            text.contains("1e-12") && text.contains("● d f / d x"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
        assert!(
            lines.iter().all(|line| line.chars().count() <= 78),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let nothing = Curve {
            name: "nothing".into(),
            points: vec![(0.1, f64::NAN), (0.0, 1.0)],
        };
        assert!(draw(&[nothing]).contains("no step"));
        let flat = Curve {
            name: "flat".into(),
            points: vec![(1e-3, 0.0), (1e-3, f64::INFINITY)],
        };
        assert!(draw(&[flat]).contains('●'));
        let many: Vec<Curve> = (0..9).map(|_| v()).collect();
        assert!(draw(&many).contains("… and 3 more"));
    }
}

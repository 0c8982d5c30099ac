//! The lines of the result, as a table for people and as JSON for programs.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

/// One line.
pub struct Line {
    pub bench: &'static str,
    pub work: String,
    /// In the unit: milliseconds, or MiB.
    pub figure: f64,
    pub unit: &'static str,
    pub target: Option<Target>,
    /// What else was measured, and how many times as much that is.
    pub against: Option<(String, f64)>,
}

/// What must hold.
pub enum Target {
    /// The figure is below this.
    Below(f64),
    /// What it is held against costs at least so many times as much.
    TimesFaster(f64),
    /// What it is held against costs at most so many times less.
    WithinTimes(f64),
}

/// All lines.
#[derive(Default)]
pub struct Table(Vec<Line>);

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl Line {
    fn met(&self) -> Option<bool> {
        let ratio = self.against.as_ref().map(|(_, other)| other / self.figure);
        Some(match self.target.as_ref()? {
            Target::Below(limit) => self.figure < *limit,
            Target::TimesFaster(times) => ratio? >= *times,
            Target::WithinTimes(times) => ratio? >= 1.0 / times,
        })
    }

    fn target(&self) -> String {
        match &self.target {
            None => String::new(),
            Some(Target::Below(limit)) => format!("< {limit} {}", self.unit),
            Some(Target::TimesFaster(times)) => format!("≥ {times} × faster"),
            Some(Target::WithinTimes(times)) => format!("≤ {times} × as long"),
        }
    }

    /// In words: how many times faster or slower.
    fn ratio(&self) -> String {
        let Some((name, other)) = &self.against else { return String::new() };
        let ratio = other / self.figure;
        let times = if ratio >= 1.0 {
            format!("{} × less than", round(ratio))
        } else {
            format!("{} × of", round(1.0 / ratio))
        };
        format!("{times} {name} ({} {})", round(*other), self.unit)
    }
}

fn round(figure: f64) -> String {
    if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure >= 1.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.3}")
    }
}

impl Table {
    pub fn add(&mut self, line: Line) {
        let met = line.met().map_or("", |met| if met { "met" } else { "MISSED" });
        eprintln!("  {}: {} {} {met}", line.work, round(line.figure), line.unit);
        self.0.push(line);
    }

    pub fn json(&self) -> Value {
        let line = |line: &Line| {
            json!({
                "bench": line.bench,
                "work": line.work,
                "figure": line.figure,
                "unit": line.unit,
                "target": line.target.as_ref().map(|_| line.target()),
                "met": line.met(),
                "against": line.against.as_ref().map(|(name, other)| json!({
                    "name": name, "figure": other, "ratio": other / line.figure,
                })),
            })
        };
        Value::Array(self.0.iter().map(line).collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| bench | work | figure | target | | against |\n| --- | --- | ---: | --- | --- | --- |"
        )?;
        for line in &self.0 {
            let met = line.met().map_or("", |met| if met { "met" } else { "**missed**" });
            writeln!(
                f,
                "| {} | {} | {} {} | {} | {met} | {} |",
                line.bench,
                line.work,
                round(line.figure),
                line.unit,
                line.target(),
                line.ratio()
            )?;
        }
        Ok(())
    }
}

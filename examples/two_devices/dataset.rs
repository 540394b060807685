//! The input: the world's airports, 28,000 rows that people keep up by hand.
//!
//! They come from the Python package `airportsdata` (MIT licence) and are read where pip has put them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;

/// Asks a Python where its copy of the table is.
const WHERE_IS_IT: &str =
    "import airportsdata as a; print(a.__file__.replace('__init__.py', 'airports.csv'))";

/// Pythons to ask: that of the tests, then whichever comes first in the path.
const PYTHONS: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python"), "python3"];

/// One row, named by its ICAO code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Airport {
    pub icao: String,
    pub iata: String,
    pub name: String,
    pub city: String,
    pub subd: String,
    pub country: String,
    /// In feet.
    pub elevation: f64,
    pub lat: f64,
    pub lon: f64,
    pub tz: String,
    pub lid: String,
}

impl Airport {
    /// What a curious server would love to read.
    pub fn texts(&self) -> [&str; 4] {
        [&self.name, &self.city, &self.subd, &self.tz]
    }
}

/// The first `rows` airports of a file, or of the installed package.
pub fn load(file: Option<&Path>, rows: usize) -> Result<Vec<Airport>> {
    let file = file.map_or_else(find, |file| Ok(file.to_owned()))?;
    let mut table = csv::Reader::from_path(&file)?;
    let airports = table.deserialize().take(rows).collect::<Result<Vec<_>, _>>()?;
    println!("{} airports from {}", airports.len(), file.display());
    Ok(airports)
}

fn find() -> Result<PathBuf> {
    let ask = |python: &&str| {
        let answer = Command::new(python).args(["-c", WHERE_IS_IT]).output().ok()?;
        let file = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
        file.is_file().then_some(file)
    };
    let missing =
        "the data set is missing: run `pip install airportsdata`, or name a copy with --data-set FILE";
    PYTHONS.iter().find_map(ask).ok_or_else(|| missing.into())
}

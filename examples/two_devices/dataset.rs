//! The input: the world's airports, 28,000 rows that are maintained by hand.
//!
//! They come from the Python package `airportsdata` (MIT licence), and are read from where pip has installed it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;

/// Prints the path of the data set.
const FIND_DATA_SET: &str =
    "import airportsdata as a; print(a.__file__.replace('__init__.py', 'airports.csv'))";

/// The Python interpreters to try: the one of the tests, then the one in the path.
const PYTHONS: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python"), "python3"];

/// One row, identified by its ICAO code.
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
    /// The texts that the server must not be able to read.
    pub fn texts(&self) -> [&str; 4] {
        [&self.name, &self.city, &self.subd, &self.tz]
    }
}

/// Reads the first `rows` airports from a file, or from the installed package.
pub fn load(file: Option<&Path>, rows: usize) -> Result<Vec<Airport>> {
    let file = file.map_or_else(find, |file| Ok(file.to_owned()))?;
    let mut table = csv::Reader::from_path(&file)?;
    let airports = table.deserialize().take(rows).collect::<Result<Vec<_>, _>>()?;
    println!("{} airports from {}", airports.len(), file.display());
    Ok(airports)
}

fn find() -> Result<PathBuf> {
    let ask = |python: &&str| {
        let answer = Command::new(python).args(["-c", FIND_DATA_SET]).output().ok()?;
        let file = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
        file.is_file().then_some(file)
    };
    let missing =
        "the data set is missing: run `pip install airportsdata`, or name a copy with --data-set FILE";
    PYTHONS.iter().find_map(ask).ok_or_else(|| missing.into())
}

//! Beffroi from the command line.
fn main() {}

//! An [`Evaluation`](splitcost_model::evaluation::Evaluation) for people: one HTML file, a screen of terminal text, and a
//! plain sentence.
//!
//! Read in this order: [`verdict`] (whether a split is worth it, by stated thresholds), [`text`] (what `evaluate` prints),
//! [`distance`] (a split over several links), [`fault`] (what became of requests when something went wrong), [`emulation`]
//! (what a link did), [`html`] (the report, one file that asks the network for nothing), [`bench`] (what `bench` prints), [`finding`] (what
//! `scan` found, for people and programs), [`graph`] (what calls what), [`number`] (the one rule by which all write numbers).
//!
//! ```
//! use splitcost_model::evaluation::Evaluation;
//! let page = splitcost_report::html::render(&Evaluation::default());
//! assert!(page.starts_with("<!doctype html>"));
//! ```
//!
//! The JSON is the evaluation itself, as its own crate writes it. Reading files and choosing a format are the command line's.

pub mod bench;
pub mod distance;
mod effect;
pub mod emulation;
pub mod fault;
pub mod finding;
pub mod graph;
pub mod html;
pub mod number;
pub mod recording;
mod table;
pub mod text;
pub mod verdict;

//! Documents for people and for other programs: one HTML file, terminal text, and the formats of code scanners.
//!
//! Read in this order: [`text`] (a study on one screen), [`html`] (a study as one file that asks the network for nothing),
//! [`distance`] (one split over several links), [`fault`] (outcomes under faults), [`loopback`] (calls as messages in one process), [`emulation`] (the record of an emulated
//! link), [`bench`] (results of `splitcost bench`), [`finding`] (results of `splitcost scan`) and [`graph`] (the call graph
//! as DOT), [`recording`], [`tables`] and [`interface`] (a recording, its database's tables, and the interfaces of a split).
//!
//! ```
//! use splitcost_model::study::Study;
//! let page = splitcost_report::html::render(&Study::default());
//! assert!(page.starts_with("<!doctype html>"));
//! ```
//!
//! This crate renders and computes nothing: every number that it shows is in the document. The JSON of a document is
//! written by the document's own crate; files and the choice of a format belong to the command line.

pub mod bench;
pub mod distance;
pub mod emulation;
pub mod fault;
pub mod finding;
pub mod graph;
pub mod html;
pub mod interface;
pub mod loopback;
pub mod recording;
mod shorten;
mod table;
pub mod tables;
pub mod text;

pub(crate) use splitcost_model::number;

//! Evaluation to HTML, JSON and text.

//! The recorder: a small Python extension that lives in the app's process.

//! Discrete-event simulator of Python services: pure, seeded, bit-identical.

//! Experiments on real Python processes: record, calibrate, rehearse.

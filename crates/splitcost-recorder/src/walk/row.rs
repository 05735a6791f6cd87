//! Rows of object-relational mappers, as the codec of a rehearsal sends them.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString};
use splitcost_recording::skeleton::Skeleton;

use super::{Walk, add_field, held_attr};
use crate::source;
use crate::type_info::{Encoding, TypeInfo, generic_attr, type_of};

/// The attribute in which `SQLAlchemy` keeps the state of a row.
const STATE_OF_SQLALCHEMY: &str = "_sa_instance_state";
/// The attributes in which Django does. Rows of `SQLAlchemy` may have columns and relations of these names.
const STATE_OF_DJANGO: [&str; 2] = ["_state", "_prefetched_objects_cache"];
/// Beginning of the names under which association proxies of `SQLAlchemy` are kept.
const PROXY_OF_ROW: &str = "_AssociationProxy_";
/// Rows within each other that the codec of a rehearsal sends.
const MAX_ROWS: usize = 3;

impl Walk {
    /// The columns and relationships of a row that are loaded. That more are loaded later is no change: where the mapper keeps
    /// account of changed attributes, these alone make the fingerprint.
    pub(super) fn row(&mut self, value: &Bound<'_, PyAny>, info: &TypeInfo) -> PyResult<Skeleton> {
        let before = self.hash;
        self.rows += 1;
        let mut skeleton = self.attributes(value, info, &[])?;
        let after = self.hash;
        self.related_rows(value, &mut skeleton)?;
        self.hash = after;
        self.rows -= 1;
        if let Some(state) = held_attr(value, STATE_OF_SQLALCHEMY) {
            self.hash = before;
            let account =
                generic_attr(&state, "committed_state").and_then(|held| held.cast_into_exact::<PyDict>().ok());
            for name in account.iter().flat_map(PyDictMethods::keys) {
                let name = name.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok());
                match name.and_then(|name| held_attr(value, name)) {
                    Some(part) if is_scalar(&part) => self.mix_hash(&part),
                    // What else it holds is the same as long as it is the same object of the same length.
                    Some(part) => {
                        self.mix(part.as_ptr() as u64);
                        self.mix(part.cast::<PyList>().map_or(0, |list| list.len() as u64));
                    }
                    None => self.mix(0),
                }
            }
        }
        Ok(skeleton)
    }

    /// The rows that Django has loaded for the foreign keys of a row.
    fn related_rows(&mut self, value: &Bound<'_, PyAny>, skeleton: &mut Skeleton) -> PyResult<()> {
        if held_attr(value, STATE_OF_SQLALCHEMY).is_some() {
            return Ok(());
        }
        let cache = held_attr(value, "_state").and_then(|state| held_attr(&state, "fields_cache"));
        let Some(cache) = cache.and_then(|cache| cache.cast_into_exact::<PyDict>().ok()) else { return Ok(()) };
        for (key, part) in cache.iter() {
            if !self.is_sent(&part) {
                continue;
            }
            let name = key.cast_exact::<PyString>().ok().and_then(|key| key.to_str().ok()).unwrap_or("*");
            let written = if source::spells_out(name) { name } else { "*" };
            let related = self.part(written, name.len() as u64, &part)?;
            if let Skeleton::Fields(_, _, fields) = skeleton {
                add_field(fields, written, related);
            }
        }
        Ok(())
    }

    /// Returns true when the codec sends what an attribute of a row holds: rows within a row go without their lists, and only
    /// so deep.
    pub(super) fn is_sent(&self, part: &Bound<'_, PyAny>) -> bool {
        let info = type_of(part);
        let is_around = self.around.contains(&(part.as_ptr() as usize));
        match info.encoding {
            Encoding::Row => is_around || self.rows < MAX_ROWS,
            _ => self.rows == 1 || !info.name.starts_with("sqlalchemy.orm.collections:"),
        }
    }
}

/// Returns true for an attribute of a row, which holds these, in which its mapper keeps its own state.
pub(super) fn is_state(name: &str, held: &Bound<'_, PyDict>) -> bool {
    match held.contains(STATE_OF_SQLALCHEMY) {
        Ok(true) => name == STATE_OF_SQLALCHEMY || name.starts_with(PROXY_OF_ROW),
        _ => STATE_OF_DJANGO.contains(&name),
    }
}

/// Returns the name of a file that a column of Django's holds, and any other value as it is.
pub(super) fn name_of_file(part: Bound<'_, PyAny>) -> Bound<'_, PyAny> {
    let is_file = type_of(&part).name.starts_with("django.db.models.fields.files:");
    if is_file { held_attr(&part, "name").unwrap_or(part) } else { part }
}

/// Returns true for text and numbers of the built-in types.
fn is_scalar(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
}

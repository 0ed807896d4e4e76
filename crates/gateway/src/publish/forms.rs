//! A message for many who are not all spoken to in the same way.

use std::sync::Arc;

use holdfast_hub::Form;

use super::Prepared;

/// A message in each of the forms in which its receivers want it, by [`Form`]. Whoever has a form that is not there
/// gets the last one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Forms(Arc<[Prepared]>);

impl Forms {
    /// In these forms.
    ///
    /// # Panics
    /// Without any.
    #[must_use]
    pub fn new(forms: impl Into<Arc<[Prepared]>>) -> Self {
        let forms = forms.into();
        assert!(!forms.is_empty(), "a message has a form");
        Self(forms)
    }

    /// The one for a receiver.
    #[must_use]
    pub fn of(&self, form: Form) -> &Prepared {
        &self.0[usize::from(form.0).min(self.0.len() - 1)]
    }

    /// Index of the one for a receiver.
    pub(crate) fn index_of(&self, form: Form) -> usize {
        usize::from(form.0).min(self.0.len() - 1)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Bytes of the longest.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Prepared::len).max().unwrap_or(0)
    }
}

impl From<&Prepared> for Forms {
    fn from(message: &Prepared) -> Self {
        Self(Arc::new([message.clone()]))
    }
}

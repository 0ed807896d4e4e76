//! A message for many who are not all spoken to in the same way.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use holdfast_hub::Form;

use super::choice::Choice;
use super::prepared::Prepared;

/// A message in each of the forms in which its receivers want it, by [`Form`]. Whoever has a form that is not there
/// gets the last one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Forms {
    forms: Arc<[Prepared]>,
    /// Where deliveries are counted, besides the metrics of all.
    counted_in: Option<Arc<AtomicU64>>,
    /// Who of those it is sent to gets it. None: everybody.
    choice: Option<Arc<dyn Choice>>,
}

impl Forms {
    /// In these forms.
    ///
    /// # Panics
    /// Without any.
    #[must_use]
    pub fn new(forms: impl Into<Arc<[Prepared]>>) -> Self {
        let forms = forms.into();
        assert!(!forms.is_empty(), "a message has a form");
        Self { forms, counted_in: None, choice: None }
    }

    /// Counts there, too, to how many it is delivered.
    #[must_use]
    pub fn counted_in(self, count: &Arc<AtomicU64>) -> Self {
        Self { counted_in: Some(Arc::clone(count)), ..self }
    }

    /// Only for those who are chosen.
    #[must_use]
    pub fn chosen_by(self, choice: Option<Arc<dyn Choice>>) -> Self {
        Self { choice, ..self }
    }

    /// Who chooses those who get it, if not all do.
    pub(crate) fn choice(&self) -> Option<&dyn Choice> {
        self.choice.as_deref()
    }

    /// Where deliveries are counted, too.
    pub(crate) fn count_of_deliveries(&self) -> Option<Arc<AtomicU64>> {
        self.counted_in.clone()
    }

    /// The one for a receiver.
    #[must_use]
    pub fn of(&self, form: Form) -> &Prepared {
        &self.forms[usize::from(form.0).min(self.forms.len() - 1)]
    }

    /// Index of the one for a receiver.
    pub(crate) fn index_of(&self, form: Form) -> usize {
        usize::from(form.0).min(self.forms.len() - 1)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.forms.len()
    }

    /// Bytes of the longest.
    pub(crate) fn len(&self) -> usize {
        self.forms.iter().map(Prepared::len).max().unwrap_or(0)
    }
}

impl From<&Prepared> for Forms {
    fn from(message: &Prepared) -> Self {
        Self::new([message.clone()])
    }
}

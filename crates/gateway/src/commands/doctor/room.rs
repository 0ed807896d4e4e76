//! Whether there is room for what is asked for.

use super::finding::{Change, Finding, Place, State};
use super::subject::Subject;

/// Whether as many fit as the operator wants.
pub(super) fn connections_max(subject: &Subject<'_>) -> Option<Finding> {
    let wanted = subject.settings.connections_max?;
    let (fit, binding) = (subject.outlook.connections(), subject.outlook.binding());
    let why = "Those who come when as many are connected as fit get 503.";
    let finding = |found| Finding::new("connections_max", found, why);
    if fit >= wanted {
        return Some(finding(format!("connections-max is {wanted}, and as many fit")));
    }
    let change = (fit > 0).then(|| {
        Change::new(Place::Settings, format!("connections-max = {fit}"))
            .noting("or raise what binds, as said where it is found")
    });
    Some(
        finding(format!("connections-max is {wanted}, but only {fit} fit ({binding})"))
            .marked(State::Warning, change),
    )
}

//! `idle`: what a connection costs that says nothing, in the server's own memory and in the kernel's.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{OTHER_FIELDS, Scale, Scenario, Trial, grouped, per_connection, shards, words};
use crate::contestants::{BARE, Contestant, REFERENCE};
use crate::results::{Description, Headline, Metric, Plot, Round, Sample};
use crate::rig::Rig;
use crate::statistics::slope;

const ABOUT: &str = "Connections are opened step by step against one fresh server, and its memory and the kernel's \
    are counted at each step. Bytes per connection are the slope of a line through the steps, so that nothing fixed \
    counts: neither the program nor a table that was reserved before. User space is the growth of the process's \
    resident memory (RSS; PSS beside it). Kernel memory is that of the slab caches in which connections have \
    objects, both ends on this machine; the memory of sockets' buffers is told beside it. Beyond the bare connection \
    is the kernel's part less what a server costs in the same round that accepts, and does nothing else.";

const USER: &str = "user_bytes";
const PSS: &str = "pss_bytes";
const KERNEL: &str = "kernel_bytes";
const BUFFERS: &str = "socket_buffer_bytes";
const BEYOND: &str = "kernel_beyond_bytes";
const BOTH: &str = "user_and_beyond_bytes";
/// Curves: growth of all by connections, and the same for each.
const USER_EACH: &str = "user_bytes_each";

/// Connections at each step that everyone can take.
const STEPS: [u32; 3] = [1000, 10_000, 18_000];
/// Further steps, for Holdfast alone.
const FURTHER: [u32; 6] = [50_000, 100_000, 200_000, 400_000, 700_000, 1_000_000];

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let most = if scale.quick { STEPS[1] } else { STEPS[2] };
    let most = scale.connections(most);
    let steps = up_to(&STEPS, most);
    let everyone = trial(&steps, contestants.to_vec(), scale);
    let mut trials = vec![everyone];
    let further = up_to(&FURTHER, scale.grow_max);
    if !scale.quick && scale.grow_max > most {
        let per_shard = scale.connections(u32::MAX);
        let shards = shards(scale.grow_max, per_shard);
        let holdfast = contestants.iter().filter(|one| one.name == REFERENCE);
        let holdfast = holdfast.map(|one| one.with_shards(shards)).collect();
        let steps: Vec<u32> = steps.iter().copied().chain(further).collect();
        trials.push(Trial { rounds: 1, ..trial(&steps, holdfast, scale) });
    }
    Scenario { description: description(&trials), trials }
}

/// Those of `steps` that are below `most`, and `most`.
fn up_to(steps: &[u32], most: u32) -> Vec<u32> {
    steps.iter().copied().filter(|&step| step < most).chain([most]).collect()
}

fn trial(steps: &[u32], contestants: Vec<Contestant>, scale: &Scale) -> Trial {
    let most = steps.last().copied().unwrap_or_default();
    let list: Vec<String> = steps.iter().map(u32::to_string).collect();
    let list = list.join(",");
    // A step waits until the kernel's counts are steady.
    let steady = Duration::from_millis(800) * u32::try_from(steps.len() + 1).unwrap_or(1);
    let estimate = steady + per_connection(most);
    Trial {
        name: format!("to {}", grouped(most)),
        parameters: [("connections".to_owned(), most.into())].into(),
        contestants,
        rounds: scale.rounds(),
        estimate,
        watch: USER,
        run: Box::new(move |rig, contestant| run(rig, contestant, &list, estimate * 20)),
        complete,
    }
}

fn run(rig: &Rig, contestant: &Contestant, steps: &str, limit: Duration) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let mut arguments = words(&format!("grow --url {} --pid {} --steps {steps}", server.url, server.pid()));
    arguments.extend(contestant.raw.then(|| "--raw".to_owned()));
    let report = rig.load(&arguments, limit + Duration::from_secs(60))?;
    sample(&report).context(OTHER_FIELDS)
}

/// What is kept of a report.
fn sample(report: &Value) -> Option<Sample> {
    let steps = report["steps"].as_array()?;
    let curve = |value: &dyn Fn(&Value) -> Option<f64>| -> Vec<(f64, f64)> {
        steps.iter().filter_map(|step| Some((step["count"].as_f64()?, value(step)?))).collect()
    };
    let user = curve(&|step| step["server_growth"]["rss_bytes"].as_f64());
    let pss = curve(&|step| step["server_growth"]["pss_bytes"].as_f64());
    let kernel = curve(&|step| Some(slab_bytes(step)?.iter().map(|(_, bytes)| bytes).sum()));
    let buffers = curve(&|step| step["socket_buffer_bytes"].as_f64());
    let mut sample = Sample::default();
    sample.set(USER, Some(slope(&user)?));
    sample.set(PSS, slope(&pss));
    sample.set(KERNEL, slope(&kernel));
    sample.set(BUFFERS, slope(&buffers));
    for (cache, _) in steps.last().and_then(slab_bytes).into_iter().flatten() {
        let bytes = curve(&|step| {
            slab_bytes(step)?.into_iter().find(|(name, _)| *name == cache).map(|(_, bytes)| bytes)
        });
        sample.set(&format!("slab {cache}"), slope(&bytes));
    }
    sample
        .curves
        .insert(USER_EACH.to_owned(), user.iter().map(|(count, bytes)| (*count, bytes / count)).collect());
    sample.curves.insert(USER.to_owned(), user);
    sample.curves.insert(KERNEL.to_owned(), kernel);
    Some(sample)
}

/// Growth of each of the kernel's caches at a step; `None` if they could not be read.
fn slab_bytes(step: &Value) -> Option<Vec<(&str, f64)>> {
    let caches = step["kernel_growth"].as_object()?.iter();
    let bytes = |cache: &Value| Some(cache["objects"].as_f64()? * cache["object_bytes"].as_f64()?);
    Some(caches.filter_map(|(name, cache)| Some((name.as_str(), bytes(cache)?))).collect())
}

/// The bare connection of the same round is subtracted.
fn complete(round: &mut Round) {
    let Some(bare) = round.samples.get(BARE).and_then(|sample| sample.figures.get(KERNEL)).copied() else {
        return;
    };
    for (name, sample) in &mut round.samples {
        if name == BARE {
            continue;
        }
        let beyond = sample.figures.get(KERNEL).map(|kernel| kernel - bare);
        let both = beyond.zip(sample.figures.get(USER)).map(|(beyond, user)| beyond + user);
        sample.set(BEYOND, beyond);
        sample.set(BOTH, both);
    }
}

fn description(trials: &[Trial]) -> Description {
    let names: Vec<String> = trials.iter().map(|trial| trial.name.clone()).collect();
    let dots = |title: &str, metric: &str| Plot::dots(title, metric, None, &names[..1]);
    let lines = |trial: &String| Plot::Lines {
        title: format!("User space for each connection, as they grow {trial}"),
        curve: USER_EACH.to_owned(),
        trial: trial.clone(),
        x: "connections".to_owned(),
        y: "bytes of RSS for each".to_owned(),
    };
    let headline = |title: &str, metric: &str| Headline::new(title, &names[0], metric, None);
    let mut plots = vec![
        dots("User space per idle connection", USER),
        dots("Kernel memory per idle connection, beyond the bare connection", BEYOND),
        dots("User space and kernel per idle connection, beyond the bare connection", BOTH),
    ];
    plots.extend(names.iter().map(lines));
    Description {
        name: "idle".to_owned(),
        title: "Idle: what a silent connection costs".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared(USER, "user space per connection (slope of RSS)", "B"),
            Metric::plain(PSS, "user space per connection (slope of PSS)", "B"),
            Metric::plain(KERNEL, "kernel per connection, both ends (slope of slab memory)", "B"),
            Metric::plain(BUFFERS, "sockets' buffers per connection, both ends", "B"),
            Metric::plain(BEYOND, "kernel per connection beyond the bare one", "B"),
            Metric::plain(BOTH, "user space and kernel beyond the bare connection", "B"),
        ],
        plots,
        headlines: vec![
            headline("user space per idle connection", USER),
            headline("kernel beyond the bare connection", BEYOND),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(user: f64, kernel: f64) -> Value {
        let step = |count: f64| {
            serde_json::json!({
                "count": count,
                "server_growth": {"rss_bytes": 5000.0 + user * count, "pss_bytes": user * count, "data_bytes": 0},
                "kernel_growth": {"TCP": {"objects": 2.0 * count, "object_bytes": kernel / 2.0}},
                "socket_buffer_bytes": 0,
            })
        };
        serde_json::json!({"steps": [step(1000.0), step(10_000.0), step(18_000.0)]})
    }

    #[test]
    fn what_is_fixed_does_not_count() {
        let sample = sample(&report(70.0, 7000.0)).unwrap();
        assert_eq!(
            [USER, PSS, KERNEL, "slab TCP"].map(|key| sample.figures[key].round()),
            [70.0, 70.0, 7000.0, 7000.0]
        );
        assert_eq!(sample.curves[USER_EACH][0], (1000.0, 75.0));
    }

    #[test]
    fn the_bare_connection_of_the_same_round_is_subtracted() {
        let mut round = Round::default();
        round.samples.insert(BARE.to_owned(), sample(&report(8.0, 7000.0)).unwrap());
        round.samples.insert("it".to_owned(), sample(&report(70.0, 7250.0)).unwrap());
        complete(&mut round);
        assert_eq!([BEYOND, BOTH].map(|key| round.samples["it"].figures[key].round()), [250.0, 320.0]);
        assert!(!round.samples[BARE].figures.contains_key(BEYOND));
    }

    #[test]
    fn without_the_kernels_counts_the_rest_is_kept() {
        let mut report = report(70.0, 7000.0);
        for step in report["steps"].as_array_mut().unwrap() {
            step["kernel_growth"] = Value::Null;
        }
        let sample = sample(&report).unwrap();
        assert_eq!(sample.figures[USER].round(), 70.0);
        assert!(!sample.figures.contains_key(KERNEL));
    }
}

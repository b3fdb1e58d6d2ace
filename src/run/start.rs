//! The start of a run: finds the first backend that works, and says why the others do not.

use std::fmt::Display;

use anyhow::anyhow;

use crate::backends;
use crate::backends::Attached;
use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Plan;
use crate::backends::Refusal;
use crate::backends::choose;
use crate::fields::Field;
use crate::fields::Show;
use crate::kernel::maps;
use crate::options::filter;
use crate::output::say::say;
use crate::tool::Tool;

/// Loads, attaches and detaches the programs of a tool in one form, once with each set of options that the tool wants
/// tried.
///
/// # Errors
/// They do not work here.
pub fn probe<T: Tool>(form: Form) -> Result<Probed, Refusal> {
    let (first, others) = T::PROBES.split_first().ok_or_else(|| fault("the tool says nothing to try"))?;
    let (lacks, mut caveats) = probe_with::<T>(first, form)?;
    for options in others {
        let with = format!("with {}", options.join(" "));
        match probe_with::<T>(options, form) {
            Ok((_, more)) => {
                let more: Vec<_> = more.into_iter().filter(|caveat| !caveats.contains(caveat)).collect();
                caveats.extend(more.into_iter().map(|caveat| format!("{with}: {caveat}")));
            }
            Err(refusal) => caveats.push(format!("{with}: {refusal}")),
        }
    }
    Ok(Probed { form, lacks, caveats })
}

fn probe_with<T: Tool>(options: &[&str], form: Form) -> Result<(Vec<&'static str>, Vec<String>), Refusal> {
    // Not `parse_from`, which ends the process on an error.
    let tool = T::try_parse_from([T::NAME].iter().chain(options)).map_err(|error| fault(error.kind()))?;
    let attached = with_plan(&tool, &[], |plan| attach(&tool, plan, form))?;
    Ok((attached.lacks, caveats(&tool, form).map(str::to_owned).collect()))
}

fn fault(what: impl Display) -> Refusal {
    Refusal::new(format!("the options to try it with are wrong ({what})"), "report this as a fault")
}

/// A form that works here.
pub struct Probed {
    pub form: Form,
    /// Functions on which its programs do not work, and which it does without.
    pub lacks: Vec<&'static str>,
    /// What it cannot show.
    pub caveats: Vec<String>,
}

pub fn caveats<T: Tool>(tool: &T, form: Form) -> impl Iterator<Item = &'static str> {
    [filter::caveat(form), tool.caveat(form)].into_iter().flatten()
}

fn with_plan<T: Tool, R>(tool: &T, shown: &[Field], use_plan: impl FnOnce(&Plan<'_>) -> R) -> R {
    let filter = tool.filter();
    let show = shown.iter().map(|field| field.gather).fold(Show::NOTHING, Show::and);
    use_plan(&Plan {
        object: T::OBJECT,
        needs: &|form, lacks| filter.add_to(tool.needs(form, lacks), form),
        optional: T::OPTIONAL,
        configure: &|form, object| {
            filter.configure(show, object, form)?;
            tool.buffer().map_or(Ok(()), |buffer| maps::set_size(object, "events", buffer.buffer_size))
        },
        fill: &|object| filter.fill(object),
    })
}

fn attach<T: Tool>(tool: &T, plan: &Plan<'_>, form: Form) -> Result<Attached, Refusal> {
    tool.filter().can_be_of(form)?;
    tool.can_be(form)?;
    backends::attach(plan, form)
}

pub fn attach_best<T: Tool>(tool: &T, shown: &[Field]) -> anyhow::Result<Attached> {
    with_plan(tool, shown, |plan| {
        let wanted = tool.run().backend;
        let choice = choose(wanted, |form| attach(tool, plan, form));
        if tool.run().verbose > 0 {
            for (form, refusal) in &choice.refused {
                say(T::NAME, format_args!("{form} refused: {refusal}"));
            }
        }
        choice.chosen.ok_or_else(|| match wanted {
            None => no_backend(&choice.refused),
            Some(backend) => {
                let working = choose(None, |form| attach(tool, plan, form).map(|attached| attached.form));
                not_here(backend, &choice.refused, working.chosen)
            }
        })
    })
}

/// The refusals that say something of this machine, or all if none does because the tool has no programs to try.
fn telling(refused: &[(Form, Refusal)]) -> Vec<&(Form, Refusal)> {
    let telling: Vec<_> = refused.iter().filter(|(_, refusal)| !refusal.no_programs).collect();
    if telling.is_empty() { refused.iter().collect() } else { telling }
}

/// No backend works: one reason if all have the same, else each with its own.
fn no_backend(refused: &[(Form, Refusal)]) -> anyhow::Error {
    let refused = telling(refused);
    match &refused[..] {
        [(_, first), rest @ ..] if rest.iter().all(|(_, other)| other == first) => anyhow!("{first}"),
        _ => {
            let reasons: Vec<String> =
                refused.iter().map(|(form, refusal)| format!("{form}: {}", refusal.cause)).collect();
            anyhow!("no backend works here: {}; see bpftools check", reasons.join(", "))
        }
    }
}

/// The backend that the user insisted on does not work; `working` does.
fn not_here(backend: Backend, refused: &[(Form, Refusal)], working: Option<Form>) -> anyhow::Error {
    // Of a backend with two forms it tells why the last did not work, which asks for less.
    let Some((_, refusal)) = telling(refused).pop() else {
        return anyhow!("backend {backend} has no form");
    };
    match working {
        None if refusal.untested => anyhow!("{refusal}"),
        None => anyhow!("backend {backend} does not work here: {refusal}"),
        Some(form) => {
            anyhow!("backend {backend} does not work here: {}; --backend {} does", refusal.cause, form.backend())
        }
    }
}

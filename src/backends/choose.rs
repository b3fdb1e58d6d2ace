//! Choosing a backend: the first that works, in a fixed order.

use super::Backend;
use super::Form;

/// What came of a choice: the first success if there was one, and the failures before it.
pub struct Choice<A, R> {
    pub chosen: Option<A>,
    pub refused: Vec<(Form, R)>,
}

/// Tries the forms of `wanted`, or of every backend, until one works.
pub fn choose<A, R>(wanted: Option<Backend>, mut attempt: impl FnMut(Form) -> Result<A, R>) -> Choice<A, R> {
    let mut refused = Vec::new();
    for &form in Backend::ALL
        .iter()
        .filter(|&&backend| wanted.is_none_or(|wanted| wanted == backend))
        .flat_map(|backend| backend.forms())
    {
        match attempt(form) {
            Ok(attached) => {
                return Choice { chosen: Some(attached), refused };
            }
            Err(refusal) => refused.push((form, refusal)),
        }
    }
    Choice { chosen: None, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(wanted: Option<Backend>, working: &[Form]) -> (Option<Form>, Vec<Form>) {
        let choice = choose(wanted, |form| if working.contains(&form) { Ok(form) } else { Err(()) });
        (choice.chosen, choice.refused.into_iter().map(|(form, ())| form).collect())
    }

    #[test]
    fn auto_takes_the_first_that_works() {
        use Form::*;
        assert_eq!(choice(None, &[Trampoline, Kprobe, Typed]), (Some(Trampoline), vec![]));
        assert_eq!(choice(None, &[Kprobe, Classic]), (Some(Kprobe), vec![Trampoline]));
        assert_eq!(choice(None, &[Classic]), (Some(Classic), vec![Trampoline, Kprobe, Typed]));
        assert_eq!(choice(None, &[]), (None, vec![Trampoline, Kprobe, Typed, Classic]));
    }

    #[test]
    fn an_override_tries_nothing_else() {
        use Form::*;
        assert_eq!(choice(Some(Backend::Kprobe), &[Trampoline]), (None, vec![Kprobe]));
        assert_eq!(choice(Some(Backend::Tracepoint), &[Trampoline, Typed]), (Some(Typed), vec![]));
    }
}

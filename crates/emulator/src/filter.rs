//! `$filter`: comparisons of a few properties, joined by `and` and `or`.
//!
//! Invariant: what is not understood is a 400, never a filter that lets everything pass.

use jiff::Timestamp;

use crate::errors::Problem;
use crate::incident::{CLASSIFICATION, DETERMINATION, Enumeration, Incident, SEVERITY, STATUS};

/// A filter: some group of it must hold whole.
#[derive(Debug)]
pub(crate) struct Filter(Vec<Vec<Comparison>>);

#[derive(Debug)]
enum Comparison {
    /// `eq`, or `ne` where `equal` is false, with a string or null.
    Text {
        of: TextProperty,
        equal: bool,
        to: Option<String>,
    },
    Time {
        of: TimeProperty,
        by: Order,
        to: Timestamp,
    },
}

#[derive(Clone, Copy, Debug)]
enum TextProperty {
    AssignedTo,
    Classification,
    Determination,
    Severity,
    Status,
}

#[derive(Clone, Copy, Debug)]
enum TimeProperty {
    Created,
    LastUpdate,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Filter {
    /// Reads a decoded `$filter`.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::bad_request(format!(
                "The filter '{text}' is not understood here: it takes comparisons like status eq 'active', joined \
                 by and, or."
            ))
        };
        let words = words(text).ok_or_else(wrong)?;
        let mut words = words.iter().map(String::as_str);
        let mut groups = vec![Vec::new()];
        loop {
            let (Some(property), Some(operator), Some(operand)) = (words.next(), words.next(), words.next())
            else {
                return Err(wrong());
            };
            let comparison = comparison(property, operator, operand).ok_or_else(wrong)?;
            if let Some(group) = groups.last_mut() {
                group.push(comparison);
            }
            match words.next() {
                None => return Ok(Self(groups)),
                Some("and") => {}
                Some("or") => groups.push(Vec::new()),
                Some(_) => return Err(wrong()),
            }
        }
    }

    pub(crate) fn accepts(&self, incident: &Incident) -> bool {
        self.0.iter().any(|group| group.iter().all(|comparison| comparison.holds(incident)))
    }
}

impl Comparison {
    fn holds(&self, incident: &Incident) -> bool {
        match self {
            Self::Text { of, equal, to } => (of.value(incident) == to.as_deref()) == *equal,
            Self::Time { of, by, to } => {
                let time = match of {
                    TimeProperty::Created => incident.created_date_time,
                    TimeProperty::LastUpdate => incident.last_update_date_time,
                };
                match by {
                    Order::Eq => time == *to,
                    Order::Ne => time != *to,
                    Order::Gt => time > *to,
                    Order::Ge => time >= *to,
                    Order::Lt => time < *to,
                    Order::Le => time <= *to,
                }
            }
        }
    }
}

impl TextProperty {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "assignedto" => Some(Self::AssignedTo),
            "classification" => Some(Self::Classification),
            "determination" => Some(Self::Determination),
            "severity" => Some(Self::Severity),
            "status" => Some(Self::Status),
            _ => None,
        }
    }

    fn value(self, incident: &Incident) -> Option<&str> {
        match self {
            Self::AssignedTo => incident.assigned_to.as_deref(),
            Self::Classification => incident.classification.as_deref(),
            Self::Determination => incident.determination.as_deref(),
            Self::Severity => Some(&incident.severity),
            Self::Status => Some(&incident.status),
        }
    }

    fn members(self) -> Option<&'static Enumeration> {
        match self {
            Self::AssignedTo => None,
            Self::Classification => Some(&CLASSIFICATION),
            Self::Determination => Some(&DETERMINATION),
            Self::Severity => Some(&SEVERITY),
            Self::Status => Some(&STATUS),
        }
    }
}

fn comparison(property: &str, operator: &str, operand: &str) -> Option<Comparison> {
    if let Some(of) = TextProperty::named(property) {
        let equal = match operator {
            "eq" => true,
            "ne" => false,
            _ => return None,
        };
        let to = match operand.strip_prefix('\'') {
            None if operand == "null" => None,
            None => return None,
            Some(text) => match of.members() {
                None => Some(text.to_owned()),
                Some(members) => Some(members.member(text)?.to_owned()),
            },
        };
        return Some(Comparison::Text { of, equal, to });
    }
    let of = match property.to_ascii_lowercase().as_str() {
        "createddatetime" => TimeProperty::Created,
        "lastupdatedatetime" => TimeProperty::LastUpdate,
        _ => return None,
    };
    let by = match operator {
        "eq" => Order::Eq,
        "ne" => Order::Ne,
        "gt" => Order::Gt,
        "ge" => Order::Ge,
        "lt" => Order::Lt,
        "le" => Order::Le,
        _ => return None,
    };
    Some(Comparison::Time { of, by, to: operand.parse().ok()? })
}

/// The words of a filter. A string keeps its first quote, to tell it from a word, and loses the others.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(mut tail) = rest.strip_prefix('\'') {
            let mut word = String::from("'");
            loop {
                let (part, after) = tail.split_once('\'')?;
                word.push_str(part);
                if let Some(more) = after.strip_prefix('\'') {
                    word.push('\'');
                    tail = more;
                } else {
                    tail = after;
                    break;
                }
            }
            if !tail.is_empty() && !tail.starts_with(' ') {
                return None;
            }
            words.push(word);
            rest = tail.trim_start();
        } else {
            let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = tail.trim_start();
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn count(filter: &str) -> usize {
        let filter = Filter::parse(filter).unwrap();
        Store::seeded().unwrap().all().iter().filter(|incident| filter.accepts(incident)).count()
    }

    #[test]
    fn comparisons_hold() {
        let all = Store::seeded().unwrap().all().len();
        assert!(count("status eq 'active'") > 1);
        assert_eq!(count("status eq 'Active'"), count("Status eq 'active'"));
        assert_eq!(count("status eq 'active'") + count("status ne 'active'"), all);
        assert_eq!(count("assignedTo eq null") + count("assignedTo ne null"), all);
        assert_eq!(count("severity eq 'high' or severity ne 'high'"), all);
        assert_eq!(count("severity eq 'high' and severity ne 'high'"), 0);
        assert_eq!(
            count(
                "severity eq 'low' and severity eq 'high' or status ne 'x' or severity eq 'low'"
                    .replace("'x'", "'active'")
                    .as_str()
            ),
            count("status ne 'active' or severity eq 'low'")
        );
        assert_eq!(count("assignedTo eq 'ben.okafor@example.com'"), 2);
        assert_eq!(count("assignedTo eq 'O''Brien'"), 0);
        assert_eq!(
            count("createdDateTime ge 2000-01-01T00:00:00Z and lastUpdateDateTime lt 2999-01-01T00:00:00Z"),
            all
        );
        assert_eq!(count("createdDateTime lt 2000-01-01T00:00:00Z"), 0);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "status",
            "status eq",
            "status eq active",
            "status eq 'active",
            "status eq 'active'and severity eq 'low'",
            "status eq 'active' and",
            "status eq 'active' xor severity eq 'low'",
            "status eq 'nonsense'",
            "status gt 'active'",
            "status in ('active')",
            "(status eq 'active')",
            "not status eq 'active'",
            "contains(displayName,'a')",
            "displayName eq 'a'",
            "createdDateTime ge yesterday",
            "createdDateTime like 2000-01-01T00:00:00Z",
        ] {
            assert_eq!(Filter::parse(text).map(|_| ()).unwrap_err().status, 400, "{text}");
        }
    }
}

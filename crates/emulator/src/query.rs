//! The query of a read: paging, order, choice of properties.
//!
//! Invariant: following `@odata.nextLink` from the first page to the last shows each incident once, in one order,
//! with the options of the first request.

use std::cmp::Ordering;

use crate::errors::Problem;
use crate::filter::Filter;
use crate::incident::Incident;

/// The most incidents on one page, and as many as there are where nobody asks for less.
pub(crate) const PAGE: usize = 50;

/// What a read asks for.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    pub(crate) count: bool,
    pub(crate) filter: Option<Filter>,
    pub(crate) order: Option<Order>,
    pub(crate) select: Option<Vec<String>>,
    /// All options but `$skip` as they came, for the next page's link.
    kept: Vec<String>,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    by: By,
    descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Created,
    LastUpdate,
}

/// Whether the query is that of a list or of one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    List,
    One,
}

impl Query {
    /// Reads the raw query of a target.
    pub(crate) fn parse(raw: &str, of: Of) -> Result<Self, Problem> {
        let mut query = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let unreadable = || Problem::bad_request("The query is not percent-encoded UTF-8.");
            let decoded = decode(name).ok_or_else(unreadable)?;
            let option = decoded.to_ascii_lowercase();
            let text = decode(value).ok_or_else(unreadable)?;
            if !option.starts_with('$') {
                query.kept.push(pair.to_owned());
                continue;
            }
            if seen.contains(&option) {
                return Err(Problem::bad_request(format!("The query option '{decoded}' stands twice.")));
            }
            query.take(&option, &text, of)?;
            if option != "$skip" {
                query.kept.push(format!("{option}={value}"));
            }
            seen.push(option);
        }
        Ok(query)
    }

    fn take(&mut self, option: &str, text: &str, of: Of) -> Result<(), Problem> {
        match (option, of) {
            ("$select", _) => {
                self.select = Some(text.split(',').map(|name| name.trim().to_owned()).collect());
            }
            ("$top", Of::List) => {
                let top = number(option, text)?;
                if top > PAGE {
                    let message = format!("The query option '$top' is at most {PAGE}, not {top}.");
                    return Err(Problem::bad_request(message));
                }
                self.top = Some(top);
            }
            ("$skip", Of::List) => self.skip = number(option, text)?,
            ("$filter", Of::List) => self.filter = Some(Filter::parse(text)?),
            ("$orderby", Of::List) => self.order = Some(Order::parse(text)?),
            ("$count", Of::List) => {
                self.count = text.parse().map_err(|_| {
                    Problem::bad_request("The query option '$count' is either true or false.")
                })?;
            }
            _ => {
                let message = format!("The query option '{option}' is not supported here.");
                return Err(Problem::bad_request(message));
            }
        }
        Ok(())
    }

    /// The query of the page that starts at `skip`.
    pub(crate) fn next(&self, skip: usize) -> String {
        let mut next = self.kept.clone();
        next.push(format!("$skip={skip}"));
        next.join("&")
    }
}

impl Order {
    fn parse(text: &str) -> Result<Self, Problem> {
        let mut words = text.split_ascii_whitespace();
        let by = words.next().unwrap_or_default().to_ascii_lowercase();
        let by = match by.as_str() {
            "createddatetime" => Some(By::Created),
            "lastupdatedatetime" => Some(By::LastUpdate),
            _ => None,
        };
        let descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => Some(false),
            (Some("desc"), None) => Some(true),
            _ => None,
        };
        by.zip(descending).map(|(by, descending)| Self { by, descending }).ok_or_else(|| {
            Problem::bad_request(format!(
                "The order '{text}' is not understood here: it takes createdDateTime or lastUpdateDateTime, asc or desc."
            ))
        })
    }

    pub(crate) fn compare(self, a: &Incident, b: &Incident) -> Ordering {
        let ordering = match self.by {
            By::Created => a.created_date_time.cmp(&b.created_date_time),
            By::LastUpdate => a.last_update_date_time.cmp(&b.last_update_date_time),
        };
        if self.descending { ordering.reverse() } else { ordering }
    }
}

fn number(option: &str, text: &str) -> Result<usize, Problem> {
    let wrong =
        || Problem::bad_request(format!("The query option '{option}' takes a whole number, not '{text}'."));
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}

/// Undoes percent-encoding and `+`.
fn decode(text: &str) -> Option<String> {
    percent_decode(&text.replace('+', "%20"))
}

/// Undoes percent-encoding.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_sdks_write_them() {
        let query = Query::parse("$top=5&$filter=status%20eq%20%27active%27&$count=true", Of::List).unwrap();
        assert_eq!((query.top, query.skip, query.count), (Some(5), 0, true));
        assert!(query.filter.is_some());
        assert_eq!(query.next(5), "$top=5&$filter=status%20eq%20%27active%27&$count=true&$skip=5");
        let query =
            Query::parse("%24TOP=2&%24skip=4&x=%24skip&$orderby=createdDateTime+desc", Of::List).unwrap();
        assert_eq!((query.top, query.skip), (Some(2), 4));
        assert_eq!(query.order, Some(Order { by: By::Created, descending: true }));
        assert_eq!(query.next(6), "$top=2&x=%24skip&$orderby=createdDateTime+desc&$skip=6");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for raw in [
            "$top=-1",
            "$top=",
            "$top=51",
            "$top=1&$TOP=1",
            "$skip=+1",
            "$skip=99999999999999999999",
            "$filter=",
            "$count=yes",
            "$orderby=displayName",
            "$orderby=createdDateTime down",
            "$expand=alerts",
            "$top=%zz",
            "$x=1",
            "$top=%ff",
        ] {
            assert_eq!(Query::parse(raw, Of::List).map(|_| ()).unwrap_err().status, 400, "{raw}");
        }
        assert_eq!(Query::parse("$top=1", Of::One).map(|_| ()).unwrap_err().status, 400);
        assert!(Query::parse("$select=id,status", Of::One).is_ok());
    }
}

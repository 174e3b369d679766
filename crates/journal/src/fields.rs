//! Which values of an edit stand on record: as they are, as a keyed hash, or not at all.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use patchgate_model::Recordable;
use sha2::Sha256;

use crate::chain::Hash;
use crate::json::Members;

/// How a field's value stands on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// As it is, in `edit`.
    #[default]
    Value,
    /// As a keyed hash, in `hashed`: whoever has the key can tell whether a value was this one.
    Hash,
    /// Not at all; the field's name stands in `omitted`.
    Omit,
}

/// The key of the hashes. It is not shown by `Debug`.
#[derive(Clone)]
pub struct HashKey(Hmac<Sha256>);

/// A key too short to keep guessed values apart from the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of hashed audit fields has {0} bytes; it needs at least 16, drawn at random")]
pub struct ShortKey(pub usize);

impl HashKey {
    /// Takes a secret of at least 16 bytes over.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < 16 {
            return Err(ShortKey(secret.len()));
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ShortKey(secret.len()))
    }

    /// HMAC-SHA-256 (RFC 2104) over the field's name, a zero byte, and the value as canonical JSON.
    pub fn hash(&self, field: &str, value: &[u8]) -> Hash {
        let mut mac = self.0.clone();
        mac.update(field.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        Hash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// The rules for the fields of a guard. Fields without one stand as they are.
#[derive(Debug, Clone, Default)]
pub struct FieldRules(Vec<(String, Withheld)>);

/// What stands in the place of a value.
#[derive(Debug, Clone)]
enum Withheld {
    Hash(HashKey),
    Nothing,
}

/// A rule that can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field '{0}' is to be recorded as a hash, and there is no key; give one, or use \"omit\"")]
pub struct NoKey(pub String);

impl FieldRules {
    /// All values stand as they are.
    pub const NONE: &Self = &Self(Vec::new());

    /// Rules by the names of fields. A key is needed where one of them is [`Keep::Hash`].
    pub fn new<'f>(
        fields: impl IntoIterator<Item = (&'f str, Keep)>,
        key: Option<&HashKey>,
    ) -> Result<Self, NoKey> {
        let mut rules = Vec::new();
        for (field, keep) in fields {
            let withheld = match (keep, key) {
                (Keep::Value, _) => continue,
                (Keep::Hash, Some(key)) => Withheld::Hash(key.clone()),
                (Keep::Hash, None) => return Err(NoKey(field.to_owned())),
                (Keep::Omit, _) => Withheld::Nothing,
            };
            rules.push((field.to_owned(), withheld));
        }
        Ok(Self(rules))
    }

    /// The rule of a field. There are a handful, so that looking through them is quicker than a map.
    fn withheld(&self, field: &str) -> Option<&Withheld> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, withheld)| withheld)
    }

    /// Writes the members `edit`, `hashed` and `omitted`, the last two only where there are such fields.
    pub(crate) fn write(&self, members: &mut Members<'_>, edit: &dyn Recordable) {
        if self.0.is_empty() {
            members.raw("edit", edit.document());
            return;
        }
        let mut hashed = Vec::new();
        let mut omitted = Vec::new();
        members.object("edit", |members| {
            edit.each_field(&mut |name, value| match self.withheld(name) {
                None => _ = members.raw(name, value),
                Some(Withheld::Hash(key)) => {
                    hashed.push((name.to_owned(), format!("hmac-sha256:{}", key.hash(name, value))));
                }
                Some(Withheld::Nothing) => omitted.push(name.to_owned()),
            });
        });
        if !hashed.is_empty() {
            members.object("hashed", |members| {
                for (name, hash) in &hashed {
                    members.text(name, hash);
                }
            });
        }
        if !omitted.is_empty() {
            members.texts("omitted", omitted.iter().map(String::as_str));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl dgst -sha256 -hmac` computes it.
    #[test]
    fn a_hash_is_that_of_name_zero_and_value() {
        let key = HashKey::new(b"a key of the test, not secret").unwrap();
        let hash = key.hash("owner", br#""someone@contoso.example""#);
        let expected = "a25bfa7b70738cc8473b02015f67d32ae8e3998c4c1d74ae11f1cae3cd58f35e";
        assert_eq!(hash.to_string(), expected);
        assert_ne!(hash, key.hash("owne", br#"r"someone@contoso.example""#), "the zero byte parts them");
        assert_eq!(format!("{key:?}"), "HashKey");
        assert_eq!(HashKey::new(&[7; 15]).unwrap_err(), ShortKey(15));
    }
}

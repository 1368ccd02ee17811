//! A pod's address as registries have it.

use alloc::vec::Vec;

use crate::text::cut;

/// Every form in which a registry may have this address, its own first. Kubernetes writes one of IPv6 short (RFC 5952), Java in full,
/// and Spring puts it in brackets.
pub(crate) fn forms(podip: &[u8]) -> Vec<Vec<u8>> {
    if !podip.contains(&b':') {
        return Vec::from([podip.to_vec()]);
    }
    let full = in_full(podip);
    let bracketed = |form: &[u8]| text!("[", form, "]");
    let mut forms = Vec::from([podip.to_vec(), bracketed(podip)]);
    if full != podip {
        forms.extend([bracketed(&full), full]);
    }
    forms
}

/// With the zeros that `::` stands for.
fn in_full(address: &[u8]) -> Vec<u8> {
    const FIELDS: usize = 8;
    let Some((head, tail)) = cut(address, b"::") else {
        return address.to_vec();
    };
    let fields = |part: &'_ [u8]| -> Vec<Vec<u8>> {
        let fields = part.split(|byte| *byte == b':').map(<[u8]>::to_vec);
        fields.filter(|field| !field.is_empty()).collect()
    };
    let (mut all, behind) = (fields(head), fields(tail));
    all.resize(FIELDS.saturating_sub(behind.len()), b"0".to_vec());
    all.extend(behind);
    all.join(b":".as_slice())
}

/// Whether an address of a registry is one of these forms. Java may put the interface behind it, `fd00:0:0:0:0:0:0:7%eth0`.
pub(crate) fn is_one(forms: &[Vec<u8>], address: &[u8]) -> bool {
    let Some((before, _)) = cut(address, b"%") else {
        return forms.iter().any(|form| form == address);
    };
    let form = |form: &Vec<u8>| form.strip_suffix(b"]").unwrap_or(form) == before;
    forms.iter().any(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_version_6_has_a_full_form_and_brackets_and_nothing_else_has() {
        let table: [(&str, &[&str]); 6] = [
            ("10.0.0.7", &["10.0.0.7"]),
            ("", &[""]),
            (
                "fd00::a7",
                &[
                    "fd00::a7",
                    "[fd00::a7]",
                    "[fd00:0:0:0:0:0:0:a7]",
                    "fd00:0:0:0:0:0:0:a7",
                ],
            ),
            (
                "::1",
                &["::1", "[::1]", "[0:0:0:0:0:0:0:1]", "0:0:0:0:0:0:0:1"],
            ),
            (
                "fd00:0:0:1::",
                &[
                    "fd00:0:0:1::",
                    "[fd00:0:0:1::]",
                    "[fd00:0:0:1:0:0:0:0]",
                    "fd00:0:0:1:0:0:0:0",
                ],
            ),
            ("1:2:3:4:5:6:7:8", &["1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]"]),
        ];
        for (podip, expected) in table {
            let forms = forms(podip.as_bytes());
            let forms: Vec<_> = forms
                .iter()
                .map(|form| str::from_utf8(form).unwrap())
                .collect();
            assert_eq!(forms, expected, "{podip}");
        }
    }

    #[test]
    fn the_interface_behind_an_address_is_no_part_of_it() {
        for (podip, address, found) in [
            ("fd00::7", "fd00:0:0:0:0:0:0:7%eth0", true),
            ("fd00::7", "[fd00::7%2]", true),
            ("fd00::7", "[fd00::7]", true),
            ("fd00::7", "fd00::77%eth0", false),
            ("fd00::7", "", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.70", false),
        ] {
            let forms = forms(podip.as_bytes());
            assert_eq!(is_one(&forms, address.as_bytes()), found, "{address}");
        }
    }
}

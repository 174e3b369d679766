//! Memory of header fields, used again: a map that has grown once need not grow for the next request.
//!
//! The HTTP library hands its maps on in the same way: that of a request which was sent takes the fields of the answer, and that
//! of an answer those of the caller's next request. So in the long run nothing is allocated for any of them.

use std::cell::RefCell;

use http::HeaderMap;

/// As many maps are kept, none of which has room for more fields.
const MOST: (usize, usize) = (64, 64);

thread_local! {
    /// Empty maps. A worker is a thread, so each has its own, and nobody waits.
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty map.
pub(crate) fn take() -> HeaderMap {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Empties a map and keeps it, if it is worth it.
pub(crate) fn keep(mut map: HeaderMap) {
    map.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST.0 && (1..=MOST.1).contains(&map.capacity()) {
            spare.push(map);
        }
    });
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn a_map_comes_back_empty_and_with_its_room() {
        let mut map = HeaderMap::with_capacity(20);
        let room = map.capacity();
        map.append(ACCEPT, HeaderValue::from_static("*/*"));
        map.append(ACCEPT, HeaderValue::from_static("text/html"));
        keep(map);
        let map = take();
        assert_eq!((map.len(), map.capacity(), map.get(ACCEPT)), (0, room, None));
        assert_eq!(take().capacity(), 0, "there was but one");
    }

    #[test]
    fn neither_large_maps_nor_many_are_kept() {
        for room in [0, 1000] {
            keep(HeaderMap::with_capacity(room));
            assert_eq!(take().capacity(), 0, "{room}");
        }
        for _ in 0..MOST.0 + 9 {
            keep(HeaderMap::with_capacity(8));
        }
        assert_eq!(SPARE.with_borrow(Vec::len), MOST.0);
    }
}

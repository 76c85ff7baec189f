//! Sorting short values, often keys by what they stand for.
//!
//! *Design.* Heap sort: no memory, no worst case, and thirty lines. *Why not the library's sort*: it is several times
//! faster, but each kind of value brings five kilobytes of machine code into the wasm module, and what is sorted here
//! are lists that come with a request, and names of parts once in a snapshot.

/// Sorts values so that none `is_less` than the one before it.
#[inline(never)]
pub(crate) fn sort<T: Copy>(keys: &mut [T], is_less: &mut dyn FnMut(T, T) -> bool) {
    for root in (0..keys.len() / 2).rev() {
        sift_down(keys, root, is_less);
    }
    for end in (1..keys.len()).rev() {
        keys.swap(0, end);
        let (heap, _) = keys.split_at_mut(end);
        sift_down(heap, 0, is_less);
    }
}

/// Moves the key at `root` down to where both of its children are not greater.
fn sift_down<T: Copy>(heap: &mut [T], mut root: usize, is_less: &mut dyn FnMut(T, T) -> bool) {
    loop {
        let left = 2 * root + 1;
        let (Some(&parent), Some(&first)) = (heap.get(root), heap.get(left)) else { return };
        let second = heap.get(left + 1).copied().filter(|&second| is_less(first, second));
        let (child, greater) = second.map_or((left, first), |second| (left + 1, second));
        if !is_less(parent, greater) {
            return;
        }
        heap.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn agrees_with_the_standard_library() {
        for len in 0..200u32 {
            let weight = |key: u32| key.wrapping_mul(2_654_435_761) >> 20;
            let mut keys: Vec<u32> = (0..len).collect();
            sort(&mut keys, &mut |one, other| (weight(one), one) < (weight(other), other));
            let mut expected: Vec<u32> = (0..len).collect();
            expected.sort_by_key(|&key| (weight(key), key));
            assert_eq!(keys, expected);
        }
    }
}

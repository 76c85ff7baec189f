//! The groups of a stream, by name.
//!
//! *Why a guard for changes.* The memory of all groups is asked for after each command, so it is counted and not
//! added up. A group is therefore changed through [`GroupMut`], which adds the difference when it goes: nobody has to
//! remember to.
//!
//! *Invariants*
//! 1. Names are strictly ascending in the order of names, which holds each group once.
//! 2. `heap_bytes` is what names and groups take on the heap.

use alloc::boxed::Box;
use alloc::string::String;
use core::cmp::Ordering;
use core::ops::{Deref, DerefMut};

use crate::id::EntryId;
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, try_boxed};
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;

use super::Group;

/// A group within its stream. Used again after the group was destroyed.
pub(crate) type GroupKey = u32;

/// All groups of a stream; see the head of this file.
pub(crate) struct Groups {
    slots: Slots<Named>,
    by_name: SortedKeys,
    heap_bytes: usize,
}

struct Named {
    name: Box<[u8]>,
    group: Group,
}

impl Groups {
    pub(crate) const fn new() -> Groups {
        Groups { slots: Slots::new(), by_name: SortedKeys::new(), heap_bytes: 0 }
    }

    /// Makes an `insert` infallible that follows before any `remove`, and copies the name for it.
    pub(crate) fn reserve(&mut self, name: &[u8]) -> Result<Box<[u8]>, OutOfMemory> {
        self.slots.reserve(1)?;
        self.by_name.reserve(1)?;
        try_boxed(name)
    }

    /// Adds a group by the name that `reserve` returned. A group of that name must not exist.
    pub(crate) fn insert(&mut self, name: Box<[u8]>, group: Group) -> GroupKey {
        debug_assert!(self.get(&name).is_none(), "a group of this name exists");
        let place = self.by_name.seek(&mut |key| self.compare(key, &name));
        self.heap_bytes += name.len() + group.memory();
        let key = self.slots.insert(Named { name, group });
        self.by_name.insert_at(place, key);
        key
    }

    /// Takes a group out by its name, with the name: who still needs both may keep them.
    pub(crate) fn take(&mut self, name: &[u8]) -> Option<(Box<[u8]>, Group)> {
        let place = self.by_name.seek(&mut |other| self.compare(other, name));
        let key = self.get(name)?;
        self.by_name.remove_at(place);
        let Named { name, group } = self.slots.remove(key)?;
        self.slots.release_if_empty();
        self.heap_bytes -= name.len() + group.memory();
        Some((name, group))
    }

    /// Opens a group for changes.
    pub(crate) fn group_mut(&mut self, key: GroupKey) -> Option<GroupMut<'_>> {
        let group = &mut self.slots.get_mut(key)?.group;
        let before = group.memory();
        Some(GroupMut { group, before, heap_bytes: &mut self.heap_bytes })
    }

    /// Drops the pending entries of an ID in all groups.
    pub(crate) fn forget_in_all(&mut self, id: EntryId) {
        let Groups { slots, heap_bytes, .. } = self;
        for (_, named) in slots.iter_mut() {
            let before = named.group.memory();
            GroupMut { group: &mut named.group, before, heap_bytes }.forget(id);
        }
    }

    /// The group of this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<GroupKey> {
        self.by_name.find(&mut |key| self.compare(key, name))
    }

    pub(crate) fn group(&self, key: GroupKey) -> Option<&Group> {
        self.slots.get(key).map(|named| &named.group)
    }

    pub(crate) fn name(&self, key: GroupKey) -> Option<&[u8]> {
        self.slots.get(key).map(|named| &*named.name)
    }

    /// The group behind this name in the order of names, or the first one. The name need not be that of a group.
    pub(crate) fn next_after(&self, name: Option<&[u8]>) -> Option<(GroupKey, &[u8])> {
        let is_behind = |other: &[u8]| name.is_none_or(|name| other > name);
        let place = self.by_name.seek(&mut |key| {
            if is_behind(self.name(key).unwrap_or(&[])) { Ordering::Greater } else { Ordering::Less }
        });
        let key = self.by_name.get(place)?;
        Some((key, self.name(key)?))
    }

    /// The group with the next key, or the lowest one: for changing one group after the other.
    pub(crate) fn next_key(&self, after: Option<GroupKey>) -> Option<GroupKey> {
        let from = after.map_or(0, |after| after + 1);
        self.slots.iter_from(from).next().map(|(key, _)| key)
    }

    /// Keys, names and groups in the order of names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupKey, &[u8], &Group)> {
        self.by_name.iter().filter_map(|key| {
            let named = self.slots.get(key)?;
            Some((key, &*named.name, &named.group))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The bytes on the heap, in constant time.
    pub(crate) fn memory(&self) -> usize {
        self.slots.memory() + self.by_name.memory() + self.heap_bytes
    }

    /// Checks the invariants in the head of this file and those of all groups.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.slots.validate()?;
        self.by_name.validate(&mut |one, other| self.name(one).cmp(&self.name(other)))?;
        ensure(self.iter().count() == self.len(), "groups 1: a group is missing in the order of names")?;
        for (_, _, group) in self.iter() {
            group.validate()?;
        }
        let heap_bytes: usize = self.iter().map(|(_, name, group)| name.len() + group.memory()).sum();
        ensure(heap_bytes == self.heap_bytes, "groups 2: the counter of bytes is wrong")
    }

    fn compare(&self, key: GroupKey, name: &[u8]) -> Ordering {
        self.slots.get(key).map_or(Ordering::Less, |named| (*named.name).cmp(name))
    }
}

/// A group that may be changed; see the head of this file.
pub(crate) struct GroupMut<'a> {
    group: &'a mut Group,
    before: usize,
    heap_bytes: &'a mut usize,
}

impl Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl DerefMut for GroupMut<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.heap_bytes = *self.heap_bytes - self.before + self.group.memory();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EntryId;
    use std::vec::Vec;

    fn insert(groups: &mut Groups, name: &str) -> GroupKey {
        let name = groups.reserve(name.as_bytes()).unwrap();
        groups.insert(name, Group::new(EntryId::MIN, None))
    }

    fn names(groups: &Groups) -> Vec<&[u8]> {
        groups.iter().map(|(_, name, _)| name).collect()
    }

    #[test]
    fn groups_are_found_and_listed_by_name() {
        let mut groups = Groups::new();
        assert_eq!(groups.memory(), 0);
        let keys = ["mail", "", "audit", "\u{fc}"].map(|name| insert(&mut groups, name));
        assert_eq!(names(&groups), [&b""[..], b"audit", b"mail", "\u{fc}".as_bytes()]);
        assert_eq!((groups.get(b"audit"), groups.get(b"aud"), groups.len()), (Some(keys[2]), None, 4));
        assert_eq!(groups.name(keys[0]), Some(&b"mail"[..]));
        groups.validate().unwrap();
        assert_eq!(groups.take(b"mail").map(|(name, _)| name), Some(Box::from(*b"mail")));
        assert!(groups.take(b"mail").is_none());
        assert!(groups.group_mut(keys[0]).is_none());
        groups.validate().unwrap();
        assert_eq!(names(&groups), [&b""[..], b"audit", "\u{fc}".as_bytes()]);
    }

    #[test]
    fn a_walk_goes_on_behind_any_name() {
        let mut groups = Groups::new();
        assert_eq!(groups.next_after(None), None);
        let [b, empty, d] = ["b", "", "d"].map(|name| insert(&mut groups, name));
        let behind = |name: &str| groups.next_after(Some(name.as_bytes()));
        assert_eq!(groups.next_after(None), Some((empty, &b""[..])));
        assert_eq!([behind(""), behind("a")], [Some((b, &b"b"[..])); 2]);
        assert_eq!([behind("b"), behind("c")], [Some((d, &b"d"[..])); 2]);
        assert_eq!([behind("d"), behind("e")], [None; 2]);
    }

    #[test]
    fn memory_follows_each_change_of_a_group() {
        let mut groups = Groups::new();
        let key = insert(&mut groups, "g");
        let empty = groups.memory();
        {
            let mut group = groups.group_mut(key).unwrap();
            let name = group.reserve_consumer(b"c").unwrap();
            let consumer = group.create_consumer(name, 5);
            group.reserve_pending(Some(consumer), 1000).unwrap();
            for ms in 1..=1000 {
                group.own(EntryId::new(ms, 0), Some(consumer), 5, 1);
            }
            group.last_id = EntryId::new(1000, 0);
        }
        groups.validate().unwrap();
        assert!(groups.memory() > empty + 1000 * 44);
        assert_eq!(groups.group(key).unwrap().last_id, EntryId::new(1000, 0));
        let consumer = groups.group(key).unwrap().consumer(b"c").unwrap();
        assert_eq!(groups.group_mut(key).unwrap().delete_consumer(consumer), 1000);
        groups.validate().unwrap();
        assert!(groups.memory() < empty + 500);
        let (_, group) = groups.take(b"g").unwrap();
        assert_eq!(group.consumers_len(), 0);
        groups.validate().unwrap();
        // The list of names keeps no room either, since the promise of the insertion is used up.
        assert_eq!(groups.memory(), 0);
    }
}

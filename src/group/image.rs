//! The images of a group: its head, its pending entries in one piece, and single units of them.
//!
//! This file knows how they are written and read; which unit is told when is known by `units/`.
//!
//! *Layout.* Numbers are varints unless told otherwise, bytes have their length in front, an ID is its two numbers.
//!
//! | head | |
//! |---|---|
//! | last ID | |
//! | entries read | 0 if not known, otherwise one more |
//! | number of consumers | each in the order of names: |
//! | - name | bytes; longer ones stand behind their beginnings |
//! | - last seen | |
//! | - last active | 0 if never, otherwise one more |
//! | number of pending entries | of whatever image they are in |
//! | number of unowned ones | among them |
//!
//! | pending entries in one piece | |
//! |---|---|
//! | number of unowned entries | each in the order in which they were released: a record |
//! | number of pending entries | for each consumer in the order of the head, each by ID: a record |
//!
//! | unit | |
//! |---|---|
//! | number of the unit | |
//! | number of consumers | those who own one of its records, in the order of their first ones: |
//! | - name | bytes |
//! | number of records | 1 to 1,024, each in the order of pages and slots: |
//! | - owner | 0 for nobody, 1 for the first consumer above |
//! | - a record | |
//!
//! | record | |
//! |---|---|
//! | milliseconds of the ID | less those of the record before, zigzag |
//! | sequence of the ID | |
//! | time of delivery | only if owned: less that of the owned record before, zigzag |
//! | order among equal times | |
//! | deliveries | |
//!
//! *Why names and not keys.* A key is given to another consumer when its owner was deleted, and to consumers in another
//! order when they are read back. A unit that has not changed would have to be written again only because of that.
//!
//! *Why the order is kept.* Among equal times it decides who is served first, and entries of equal times lie in many
//! units, of which each has to say where its entries stand without knowing the others.

use crate::id::EntryId;
use crate::image::{ImageFault, ImageReader, ImageWriter, PartSpan};

use super::consumer::{Consumer, Consumers};
use super::counts::LargeCounts;
use super::pages::{PAGE_RECORDS, Pages, Record, TIME_MS_MAX};
use super::units::{Loading, UNIT_PAGES, UNIT_RECORDS, pages_of};
use super::{ConsumerKey, Group, PendingKey};

/// What the image of a unit is made of.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) pages: &'a Pages,
    pub(super) counts: &'a LargeCounts,
    pub(super) consumers: &'a Consumers,
}

impl Group {
    /// Writes everything but the pending entries, of which only the numbers are told.
    pub(crate) fn write_head(&self, out: &mut ImageWriter<'_>) {
        out.id(self.last_id);
        out.option(self.entries_read);
        out.varint(self.consumers_len() as u64);
        for (_, consumer) in self.consumers() {
            out.bytes(consumer.name());
            out.varint(consumer.seen_ms());
            out.option(consumer.active_ms());
        }
        out.varint(self.pending_len());
        out.varint(self.unowned_len());
    }

    /// Reads a head. The pending entries follow, in one piece or in units, and then `finish_load`.
    pub(crate) fn load_head(image: &mut ImageReader<'_>) -> Result<Group, ImageFault> {
        let mut group = Group::new(image.id()?, image.option()?);
        let mut before: Option<&[u8]> = None;
        for _ in 0..image.varint()? {
            let name = image.bytes()?;
            if before.is_some_and(|before| before >= name) {
                return Err(ImageFault::Misfit("consumers are out of order"));
            }
            before = Some(name);
            let copy = group.reserve_consumer(name)?;
            let key = group.create_consumer(copy, image.varint()?);
            if let Some(active_ms) = image.option()? {
                group.touch_active(key, active_ms);
            }
        }
        let loading = Loading { pending: image.varint()?, unowned: image.varint()?, units: 0 };
        group.pending.divide()?;
        if let Some(units) = group.pending.units_mut() {
            units.begin_load(loading);
        }
        Ok(group)
    }

    /// Writes all pending entries in one piece.
    pub(crate) fn write_pending(&self, out: &mut ImageWriter<'_>) {
        let mut told = Told::NOTHING;
        out.varint(self.unowned_len());
        let source = self.pending.source(&self.consumers);
        self.pending.unowned().for_each(|key| told.write(key, source, out));
        for (_, consumer) in self.consumers() {
            out.varint(consumer.pending_len());
            let keys = consumer.pending_from(EntryId::MIN, self.pending.pages());
            keys.for_each(|key| told.write(key, source, out));
        }
    }

    /// Reads all pending entries in one piece.
    pub(crate) fn load_pending(&mut self, image: &mut ImageReader<'_>) -> Result<(), ImageFault> {
        let mut told = Told::NOTHING;
        self.load_records(None, &mut told, image)?;
        // The head named them in this order, so their keys have it, too.
        for consumer in 0..self.consumers_len() as ConsumerKey {
            self.load_records(Some(consumer), &mut told, image)?;
        }
        Ok(())
    }

    /// Reads a unit, which is stored there, and puts its entries where they lay, so that the unit counts as unchanged.
    /// One whose number is not to be believed is put behind the others and counts as changed.
    pub(crate) fn load_unit(&mut self, image: &mut ImageReader<'_>, span: PartSpan) -> Result<(), ImageFault> {
        let number = image.number()?;
        let pages_len = self.pending.pages().pages_len();
        let place = self.pending.units_mut().and_then(|units| units.place_loaded(number, pages_len));
        let place = place.ok_or(ImageFault::Misfit("a unit of a group that is there already"))?;
        let owners = self.read_owners(image)?;
        let records: usize = image.number()?;
        if records == 0 || records > UNIT_RECORDS {
            return Err(ImageFault::Misfit("a unit has no records or too many"));
        }
        let mut told = Told::NOTHING;
        for index in 0..records {
            let consumer = owners.consumer(image.number()?)?;
            let (record, deliveries) = told.read(consumer, image)?;
            let opened_page = (index % PAGE_RECORDS == 0).then_some(place * UNIT_PAGES + (index / PAGE_RECORDS) as u32);
            self.pending.restore(record, deliveries, opened_page, &mut self.consumers)?;
        }
        if let Some(units) = self.pending.units_mut()
            && place == number
        {
            units.name(place, span)?;
        }
        Ok(())
    }

    /// Ends reading: what the head said has to be there. A group whose units were read is divided.
    pub(crate) fn finish_load(&mut self) -> Result<(), ImageFault> {
        let loading = self.pending.units_mut().and_then(|units| units.end_load());
        let Some(loading) = loading else { return Err(ImageFault::Misfit("a group that is there already")) };
        if self.pending_len() != loading.pending || self.unowned_len() != loading.unowned {
            return Err(ImageFault::Misfit("a group does not have the pending entries it speaks of"));
        }
        if loading.units == 0 {
            self.pending.undivide();
        }
        Ok(())
    }

    /// Reads the number of one consumer's entries, or of those that belong to nobody, and them.
    fn load_records(
        &mut self,
        consumer: Option<ConsumerKey>,
        told: &mut Told,
        image: &mut ImageReader<'_>,
    ) -> Result<(), ImageFault> {
        for _ in 0..image.varint()? {
            let (record, deliveries) = told.read(consumer, image)?;
            self.pending.restore(record, deliveries, None, &mut self.consumers)?;
        }
        Ok(())
    }

    fn read_owners(&self, image: &mut ImageReader<'_>) -> Result<Owners, ImageFault> {
        let mut owners = Owners::NONE;
        for _ in 0..image.varint()? {
            let consumer = self.consumer(image.bytes()?);
            if !consumer.is_some_and(|consumer| owners.add(consumer)) {
                return Err(ImageFault::Misfit("a unit names a consumer that is not there, or twice"));
            }
        }
        Ok(owners)
    }
}

/// Writes the image of a unit, which has a record.
pub(super) fn write_unit(number: u32, source: Source<'_>, out: &mut ImageWriter<'_>) {
    let mut owners = Owners::NONE;
    let mut records = 0_u64;
    source.visit(number, &mut |_, record| {
        records += 1;
        if let Some(consumer) = record.consumer() {
            owners.add(consumer);
        }
    });
    out.varint(u64::from(number));
    out.varint(owners.len as u64);
    for &owner in owners.keys() {
        out.bytes(source.consumers.get(owner).map_or(&[], Consumer::name));
    }
    out.varint(records);
    let mut told = Told::NOTHING;
    source.visit(number, &mut |key, record| {
        out.varint(record.consumer().map_or(0, |consumer| owners.number(consumer)));
        told.write(key, source, out);
    });
}

impl Source<'_> {
    /// Visits the records of a unit in the order of pages and slots.
    fn visit(self, number: u32, f: &mut dyn FnMut(PendingKey, &Record)) {
        pages_of(number).for_each(|page| self.pages.visit_page(page, f));
    }
}

/// What the next record is told as a difference to.
struct Told {
    id: EntryId,
    time_ms: u64,
}

impl Told {
    const NOTHING: Told = Told { id: EntryId::MIN, time_ms: 0 };

    fn write(&mut self, key: PendingKey, source: Source<'_>, out: &mut ImageWriter<'_>) {
        let Some(record) = source.pages.get(key) else { return };
        out.id_after(self.id, record.id());
        self.id = record.id();
        let order = u64::from(record.order);
        if record.consumer().is_some() {
            // Times are close together as IDs are, and are told in the same way.
            out.id_after(EntryId::new(self.time_ms, 0), EntryId::new(record.time_ms(), order));
            self.time_ms = record.time_ms();
        } else {
            out.varint(order);
        }
        out.varint(source.counts.decode(key, record.count_code).cast_unsigned());
    }

    /// The record of this owner, without its count, and the count.
    fn read(
        &mut self,
        consumer: Option<ConsumerKey>,
        image: &mut ImageReader<'_>,
    ) -> Result<(Record, i64), ImageFault> {
        self.id = image.id_after(self.id)?;
        let mut record = Record::new(self.id);
        if consumer.is_some() {
            let delivery = image.id_after(EntryId::new(self.time_ms, 0))?;
            self.time_ms = delivery.ms();
            record.order = u32::try_from(delivery.seq()).map_err(|_| TOO_LARGE)?;
        } else {
            record.order = image.number()?;
        }
        if self.time_ms > TIME_MS_MAX {
            return Err(TOO_LARGE);
        }
        record.set_owner(consumer, self.time_ms);
        Ok((record, image.number()?))
    }
}

const TOO_LARGE: ImageFault = ImageFault::Misfit("the time or order of a pending entry is too large");

/// The consumers that own a record of a unit, numbered from 1 on; at most one a record.
struct Owners {
    keys: [ConsumerKey; UNIT_RECORDS],
    /// Their places in `keys`, in the order of keys.
    places: [u16; UNIT_RECORDS],
    len: usize,
}

impl Owners {
    const NONE: Owners = Owners { keys: [0; UNIT_RECORDS], places: [0; UNIT_RECORDS], len: 0 };

    fn keys(&self) -> &[ConsumerKey] {
        self.keys.get(..self.len).unwrap_or(&[])
    }

    /// Gives a consumer the next number; false if it has one or there is none left.
    fn add(&mut self, consumer: ConsumerKey) -> bool {
        let (Err(at), Some(key)) = (self.find(consumer), self.keys.get_mut(self.len)) else { return false };
        *key = consumer;
        self.places.copy_within(at..self.len, at + 1);
        if let Some(place) = self.places.get_mut(at) {
            *place = self.len as u16;
        }
        self.len += 1;
        true
    }

    /// The number of a consumer that was added.
    fn number(&self, consumer: ConsumerKey) -> u64 {
        let place = self.find(consumer).ok().and_then(|at| self.places.get(at));
        place.map_or(0, |&place| u64::from(place) + 1)
    }

    /// The consumer with this number, 0 being nobody's.
    fn consumer(&self, number: usize) -> Result<Option<ConsumerKey>, ImageFault> {
        let Some(place) = number.checked_sub(1) else { return Ok(None) };
        let key = self.keys().get(place).ok_or(ImageFault::Misfit("a pending entry of an owner without a name"))?;
        Ok(Some(*key))
    }

    /// Where a consumer stands in the order of keys, or belongs.
    fn find(&self, consumer: ConsumerKey) -> Result<usize, usize> {
        let places = self.places.get(..self.len).unwrap_or(&[]);
        let key = |&place: &u16| self.keys.get(usize::from(place)).copied().unwrap_or(0);
        places.binary_search_by_key(&consumer, key)
    }
}

//! A queue whose first element lies in itself: most clients have one question outstanding, which then
//! needs no memory of its own and no cache line of its own.

use std::collections::VecDeque;

/// First in, first out.
#[derive(Clone, Debug)]
pub(super) struct Queue<T> {
    /// Never empty while others wait.
    first: Option<T>,
    /// Those behind it, in order.
    rest: VecDeque<T>,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self {
            first: None,
            rest: VecDeque::new(),
        }
    }

    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub const fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub fn push_back(&mut self, element: T) {
        match &self.first {
            None => self.first = Some(element),
            Some(_) => self.rest.push_back(element),
        }
    }

    pub fn pop_front(&mut self) -> Option<T> {
        std::mem::replace(&mut self.first, self.rest.pop_front())
    }

    /// Takes out the element at `index`, if there is one.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        match index.checked_sub(1) {
            None => self.pop_front(),
            Some(index) => self.rest.remove(index),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.first.iter_mut().chain(&mut self.rest)
    }

    /// Keeps what `stays` says, asked in order.
    pub fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        let keeps_first = self.first.as_ref().is_some_and(&mut stays);
        self.rest.retain(stays);
        if !keeps_first {
            self.pop_front();
        }
    }

    /// Takes everything out, in order.
    pub fn take_all(&mut self) -> impl Iterator<Item = T> {
        self.first.take().into_iter().chain(self.rest.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Act {
        Push(u8),
        Pop,
        Remove(usize),
        Retain(u8),
        Double,
        TakeAll,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            6 => any::<u8>().prop_map(Act::Push),
            4 => Just(Act::Pop),
            2 => (0usize..5).prop_map(Act::Remove),
            1 => (2u8..5).prop_map(Act::Retain),
            1 => Just(Act::Double),
            1 => Just(Act::TakeAll),
        ];
        prop::collection::vec(act, 0..60)
    }

    proptest! {
        /// The same operations on a plain deque give the same.
        #[test]
        fn behaves_like_a_deque(acts in acts()) {
            let (mut queue, mut model) = (Queue::new(), VecDeque::new());
            for act in acts {
                match act {
                    Act::Push(element) => {
                        queue.push_back(element);
                        model.push_back(element);
                    }
                    Act::Pop => prop_assert_eq!(queue.pop_front(), model.pop_front()),
                    Act::Remove(index) => prop_assert_eq!(queue.remove(index), model.remove(index)),
                    Act::Retain(of) => {
                        let (mut asked, mut expected) = (Vec::new(), Vec::new());
                        queue.retain(|element| { asked.push(*element); element % of == 0 });
                        model.retain(|element| { expected.push(*element); element % of == 0 });
                        prop_assert_eq!(asked, expected);
                    }
                    Act::Double => {
                        queue.iter_mut().rev().for_each(|element| *element = element.wrapping_mul(2));
                        model.iter_mut().for_each(|element| *element = element.wrapping_mul(2));
                    }
                    Act::TakeAll => {
                        let taken: Vec<u8> = queue.take_all().collect();
                        prop_assert_eq!(taken, model.drain(..).collect::<Vec<u8>>());
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.front(), model.front());
                prop_assert!(queue.iter().eq(model.iter()));
                prop_assert!(queue.iter().rev().eq(model.iter().rev()));
            }
        }
    }
}

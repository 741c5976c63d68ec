// A module without anything.

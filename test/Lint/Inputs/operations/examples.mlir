mk.one %x

// mk.two is only mentioned here
mk.one %x

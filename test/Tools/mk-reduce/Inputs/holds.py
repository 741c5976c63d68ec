"""holds.py WORD... FILE: exits with 0 when the file has every word. For mk-reduce to call."""
import sys

*words, path = sys.argv[1:]
text = open(path).read()
sys.exit(not all(word in text for word in words))

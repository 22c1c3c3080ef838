package signing

// Bits are the bytes of a list.
func Bits(l *StatusList) []byte { return l.bits }

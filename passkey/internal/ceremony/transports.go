package ceremony

import "slices"

// transports are those of WebAuthn §5.8.4, each at its bit.
var transports = []string{"usb", "nfc", "ble", "internal", "hybrid", "smart-card"}

// Transports returns the bits of the names that are known: clients must expect new ones.
func Transports(names []string) uint8 {
	var bits uint8
	for _, name := range names {
		if i := slices.Index(transports, name); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}

// TransportNames returns the names of bits.
func TransportNames(bits uint8) []string {
	var names []string
	for i, name := range transports {
		if bits&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

package otelgatehouse

import "maps"

// Named returns the calls that are told from others by their names.
func Named() []string {
	names := []string{tokenCheck}
	for name := range maps.Keys(tries) {
		names = append(names, name)
	}
	return names
}

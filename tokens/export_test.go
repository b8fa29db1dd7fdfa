package tokens

// Work returns how many bytes Find looks at in a text, counted each time.
func Work(brand string, text []byte) int {
	f := finder{brand: brand}
	f.all(text, true, func(string) bool { return true })
	return f.work
}

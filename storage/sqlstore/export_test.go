package sqlstore

// Judge returns what the rules of a dialect say of settings: what is refused, what Validate refuses, and warnings.
func Judge(d Dialect, all map[string]string) (refuse, cut, warn []string) {
	for _, f := range judge(d, all) {
		list := map[grave]*[]string{refused: &refuse, power: &cut, weak: &warn}[f.grave]
		*list = append(*list, f.text)
	}
	return refuse, cut, warn
}

// RuleNames returns the settings that the rules of a dialect are about.
func RuleNames(d Dialect) []string {
	var names []string
	for _, r := range rules[d] {
		names = append(names, r.name)
	}
	return names
}

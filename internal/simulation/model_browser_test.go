package simulation

import "slices"

// knows reports whether a browser is known to the account.
func (a account) knows(browser string) bool { return slices.Contains(a.Browsers, browser) }

// meet makes a browser known, in which a sign-in was completed.
func (a *account) meet(browser string) {
	if browser != "" && !a.knows(browser) {
		a.Browsers = append(slices.Clone(a.Browsers), browser)
		slices.Sort(a.Browsers)
	}
}

// wrongFrom is the count of wrong codes of authenticators in a row that one from a browser is counted with: known browsers
// have their own, so that nobody else locks them out.
func (a *account) wrongFrom(browser string) *int {
	if a.knows(browser) {
		return &a.WrongKnown
	}
	return &a.Wrong
}

// rightFrom is what a right code from a browser does to counts, and to what browsers are known.
func (a *account) rightFrom(in input, totp bool) {
	if totp {
		*a.wrongFrom(in.browser) = 0
		if len(a.Browsers) == 0 { // both are the strangers'
			a.WrongKnown = 0
		}
	}
	if in.op != stepUp {
		a.meet(in.browser)
	}
	if totp && a.knows(in.browser) {
		a.WrongKnown = 0
	}
}

// unlocked forgets counts of wrong codes.
func (a *account) unlocked() { a.Wrong, a.WrongKnown = 0, 0 }

package simulation

import (
	"fmt"
	"maps"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// settle drops what can make no difference any more: what nobody presents, what was made under an epoch that is over or for
// a sign-in that is, and counts beyond what they are compared with.
func (a *account) settle(wanted func(id int) bool) {
	maps.DeleteFunc(a.Proofs, func(id int, p proof) bool { return (p.epoch != a.Epoch || !wanted(id)) && !wanted(keptInSession(id)) })
	maps.DeleteFunc(a.Tries, func(id, _ int) bool { return !a.goesOn(id) || !wanted(id) })
	maps.DeleteFunc(a.Asked, func(id int, q question) bool {
		return !wanted(id) || q.purpose != core.PasskeySignIn && (q.epoch != a.Epoch || q.purpose == core.PasskeyAnswer && a.stale(q.challenge))
	})
	asked := map[int]bool{}
	for _, q := range a.Asked {
		asked[q.challenge] = true
	}
	maps.DeleteFunc(a.Challenges, func(id int, _ label) bool { return a.stale(id) || !wanted(id) && !asked[id] })
	maps.DeleteFunc(a.Looks, func(id, uses int) bool { return uses <= a.Seen || !wanted(id) })
	for challenge := range a.Challenges { // which all are of the present sign-in
		a.Challenges[challenge] = label{a.Epoch, 0}
	}
	for look := range a.Looks {
		a.Looks[look] -= a.Seen
	}
	a.SignIns, a.Uses, a.Seen = 0, a.Uses-a.Seen, 0
	a.Wrong, a.WrongKnown, a.WrongCodes = min(a.Wrong, 5), min(a.WrongKnown, 5), min(a.WrongCodes, 9)
}

// explained returns of which account no order of the calls explains what was told, "" for none, and how many searches for one
// took too long.
func explained(history []made, accounts map[string]account, holders map[string]holder) (wrong string, undecided int) {
	for _, id := range slices.Sorted(maps.Keys(accounts)) {
		of := func(ofTokens bool) (list []made) {
			for _, c := range history {
				isToken := slices.Contains(tokenOps, c.in.op)
				if c.in.account != id || c.told == fault && slices.Contains(readOnly, c.in.op) || ofTokens && !isToken || !ofTokens && slices.Contains(tokensAlone, c.in.op) {
					continue
				}
				list = append(list, c)
			}
			return list
		}
		for what, result := range map[string]porcupine.CheckResult{
			"account": newOrder(account.step, (*account).settle, account.clone).explains(accounts[id].clone(), of(false)),
			"tokens":  newOrder(holder.step, (*holder).settle, holder.clone).explains(holders[id].clone(), of(true)),
		} {
			switch result {
			case porcupine.Illegal:
				return fmt.Sprintf("no order of the calls explains what was told of %s's %s", id, what), undecided
			case porcupine.Unknown:
				undecided++
			}
		}
	}
	return "", undecided
}

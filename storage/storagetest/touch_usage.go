package storagetest

import (
	"math"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// usageStep is a batch of uses of one token, and what its Usage is after it.
type usageStep struct {
	uses []storage.TokenUsage
	want storage.TokenUsage
	when string
}

// usageSteps runs batches on one token, one after the other.
func (e *env) usageSteps(steps []usageStep) {
	e.Helper()
	id := e.id("a")
	e.account(id)
	token := e.token(id, id)
	for _, step := range steps {
		var uses []storage.TokenUse
		for _, use := range step.uses {
			uses = append(uses, storage.TokenUse{ID: id, TokenUsage: use})
		}
		e.touch(uses...)
		token.Usage = step.want
		e.sameToken(token, "after "+step.when)
	}
}

func testTouchScopes(e *env) {
	used := func(at int, scopes int64) storage.TokenUsage {
		return storage.TokenUsage{LastUsed: second(at), Scopes: scopes}
	}
	steps := []usageStep{
		{[]storage.TokenUsage{used(5, 1)}, used(5, 1), "its first use"},
		{[]storage.TokenUsage{used(6, 4)}, used(6, 5), "a later use of another scope: scopes are added"},
		{[]storage.TokenUsage{used(3, 2)}, used(6, 7), "an earlier use of another scope: scopes are added, and LastUsed stays"},
		{[]storage.TokenUsage{used(6, 8)}, used(6, 15), "a use of another scope at the same time"},
		{[]storage.TokenUsage{used(7, 0)}, used(7, 15), "a use of no scope"},
		{[]storage.TokenUsage{used(7, 5)}, used(7, 15), "the same scopes again"},
		{[]storage.TokenUsage{used(9, 16), used(8, 32)}, used(9, 63), "two uses in one batch, the later one first"},
		{[]storage.TokenUsage{used(8, 64), used(2, 128)}, used(9, 255), "two earlier uses in one batch"},
		{[]storage.TokenUsage{{Scopes: 256}}, used(9, 255), "a use at the zero time, which is passed over"},
		{[]storage.TokenUsage{{Scopes: 256}, used(1, 512)}, used(9, 767), "a use at the zero time before another"},
	}
	sum := int64(767)
	for bit := range 63 { // 53 bits fit a float
		sum |= 1 << bit
		steps = append(steps, usageStep{[]storage.TokenUsage{used(10, 1<<bit)}, used(10, sum), "one scope after the other"})
	}
	e.usageSteps(append(steps, usageStep{[]storage.TokenUsage{used(11, math.MaxInt64)}, used(11, math.MaxInt64), "all scopes"}))
}

func testTouchAddresses(e *env) {
	used := func(at int, addresses string) storage.TokenUsage {
		return storage.TokenUsage{LastUsed: second(at), Addresses: addresses}
	}
	steps := []usageStep{
		{[]storage.TokenUsage{used(5, "a")}, used(5, "a"), "its first use"},
		{[]storage.TokenUsage{used(6, "b")}, used(6, "b"), "a later use: its addresses take the place of the old ones"},
		{[]storage.TokenUsage{used(4, "c")}, used(6, "b"), "an earlier use: its addresses are passed over"},
		{[]storage.TokenUsage{used(6, "d")}, used(6, "d"), "a use at the same time, which is not earlier"},
		{[]storage.TokenUsage{used(7, "")}, used(7, ""), "a later use without addresses"},
		{[]storage.TokenUsage{used(6, "e")}, used(7, ""), "an earlier use, where there are no addresses"},
		{[]storage.TokenUsage{used(9, "f"), used(8, "g")}, used(9, "f"), "two uses in one batch, the later one first"},
		{[]storage.TokenUsage{used(10, "h"), used(11, "i")}, used(11, "i"), "two uses in one batch, the earlier one first"},
		{[]storage.TokenUsage{used(3, "j"), used(2, "k")}, used(11, "i"), "two earlier uses in one batch"},
		{[]storage.TokenUsage{used(12, ""), used(11, "l")}, used(12, ""), "a later use without addresses and an earlier one"},
		{[]storage.TokenUsage{{Addresses: "m"}}, used(12, ""), "a use at the zero time, which is passed over"},
	}
	for i, s := range []string{
		"192.0.2.1 2001:db8::1", " A  a ", "a", "A", "\u00e9\U0001f363'\"\\%\r\n", "e\u0301", `["x","y"]`, "12", "0x12",
		strings.Repeat("a", 1024), strings.Repeat("\u00e9", 512), "",
	} {
		steps = append(steps, usageStep{[]storage.TokenUsage{used(20+i, s)}, used(20+i, s), "a use with " + quote(s)})
	}
	e.usageSteps(steps)
}

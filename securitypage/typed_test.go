package securitypage_test

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/securitypage"
)

// Codes arrive by many ways: an app copies a space or a mark that nobody sees, a chat makes a dash long, a keyboard writes
// other digits.
func TestTyped(t *testing.T) {
	for typed, code := range map[string]string{
		"123456": "123456", " 123 456\t": "123456", "123\u00a0456\u200b": "123456", "\u2022 123456.": "123456", "\ufeff123\u2013456": "123456",
		"\u0661\u0662\u0663\u0664\u0665\u0666": "123456", "\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6": "123456", "१२३४५६": "123456",
		"１２３４５６": "123456", "ｋ4T7－9QWM": "k4T79QWM", "k4t7-9qwm – 2rzc": "k4t79qwm2rzc", "12345x": "12345x", "": "",
		"1²3456": "1²3456", "<123456>": "<123456>", // no digit, no mark of a paste: it is wrong, and not guessed at
	} {
		require.Equal(t, code, securitypage.Typed(typed), "%+q", typed)
	}
	digits := 0
	for r := range rune(unicode.MaxRune) {
		if unicode.IsDigit(r) {
			require.Equal(t, string(rune('0'+digits%10)), securitypage.Typed(string(r)), "%U", r)
			digits++
		}
	}
	require.Greater(t, digits, 600)
}

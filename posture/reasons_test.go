package posture_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
)

// Each reason that a check gives has a text, and each text is given.
func TestReasons(t *testing.T) {
	texts := posture.Texts()
	given := map[string]bool{"plan": true} // by the model, with the plan's name
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`because\([\w.]+, "([^"]+)"|tokenCheck\(\w+, "([^"]+)"\)`).FindAllStringSubmatch(string(code), -1) {
			given[m[1]+m[2]] = true
		}
	}
	for code := range given {
		one, many, plain := texts["reason."+code+"#one"], texts["reason."+code+"#other"], texts["reason."+code]
		require.True(t, plain != "" && one+many == "" || plain == "" && one != "" && many != "", code)
	}
	for key := range texts {
		if code, ok := strings.CutPrefix(key, "reason."); ok {
			code, _, _ = strings.Cut(code, "#")
			require.True(t, given[code], "%s is not used", key)
		}
	}
	texts["reason.plan"] = ""
	require.NotEmpty(t, posture.Texts()["reason.plan"])

	// What a report says is what its code says, with its numbers.
	f := good()
	f.Account.RecoveryCodes.Left = 1
	finding, ok := policyOf(t, posture.ModelConfig{Passkeys: true}).Review(f, now).Find(posture.RecoveryCodesExist)
	require.True(t, ok)
	require.Equal(t, "1 of 10 recovery codes is left.", finding.Reason)
	require.Equal(t, "codes-left", finding.Code)
	require.Equal(t, 1, finding.N)
	require.Equal(t, 10, finding.Of)
}

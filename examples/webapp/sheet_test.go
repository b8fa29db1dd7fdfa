package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// The style sheet is served without the white space of its file, and says the same to a browser.
func TestSheetIsServedAsItIsMeant(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "securitypage", "page.css"))
	require.NoError(t, err)
	text, err := json.Marshal(string(file))
	require.NoError(t, err)
	b := newWorld(t).open(t)
	b.signUp(ada)
	b.Visit(securityPath + "/")
	rules := func(sheet string) []string {
		// Of a custom property a browser keeps the white space.
		return browsertest.Eval[[]string](b.Tab, `[...`+sheet+`.cssRules].map((rule) => rule.cssText.replaceAll(", ", ","))`)
	}
	meant := rules(`(() => { const sheet = new CSSStyleSheet(); sheet.replaceSync(` + string(text) + `); return sheet; })()`)
	served := rules(`[...document.styleSheets].find((sheet) => sheet.href.includes("/page.css"))`)
	require.Greater(t, len(meant), 200)
	require.Equal(t, meant, served)
}

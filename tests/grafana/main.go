// Reads a board as the types of Grafana have it, and refuses what they do not know.
//
//	go run . ../../docs/grafana.json
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	plugins.RegisterDefaultPlugins()
	board := dashboard.Dashboard{}
	// No mistakes come back as an error without a text.
	if err := board.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := board.Validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d panels\n", os.Args[1], len(board.Panels))
}

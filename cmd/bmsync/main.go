// Command bmsync moves mailboxes into BlueMind.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("bmsync development")
		return
	}
	fmt.Fprintln(os.Stderr, "usage: bmsync version")
	os.Exit(2)
}

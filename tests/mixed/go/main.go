// One process of the mixed test, in Go: see worker.c.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func main() {
	store, err := wxtoken.Open("")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		tokens := make([]string, 4)
		var all sync.WaitGroup
		for i := range tokens {
			all.Add(1)
			go func(i int) {
				defer all.Done()
				token, err := store.Token(context.Background(), "shop")
				if err != nil {
					log.Fatal(err)
				}
				tokens[i] = token.Value
			}(i)
		}
		all.Wait()
		fmt.Println(strings.Join(tokens, " "))
	}
}

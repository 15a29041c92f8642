# Prints the `##@ sections` and the targets with their `## texts`.
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / {
    split($0, part, ":")
    sub(/^.*## /, "")
    printf "  make %-15s %s\n", part[1], $0
}

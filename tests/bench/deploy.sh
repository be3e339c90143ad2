# The shell script of the comparison, run by bash on the host: calls of `unit` follow this text, and one of `finish`.
# shellcheck shell=bash
set -eu
cd /etc/systemd/system
units=() created=() replaced=()

# Writes a unit file unless it is there already: its name, its text.
unit() {
    local before=
    units+=("$1")
    if [[ -e $1 ]]; then
        IFS= read -r -d '' before <"$1" || :
        [[ $before != "$2" ]] || return 0
        replaced+=("$1")
    else
        created+=("$1")
    fi
    printf '%s' "$2" >"$1"
}

finish() {
    if ((${#created[@]} + ${#replaced[@]})); then
        systemctl daemon-reload
    fi
    systemctl enable --now --quiet -- "${units[@]}"
    if ((${#replaced[@]})); then
        systemctl restart -- "${replaced[@]}"
    fi
}

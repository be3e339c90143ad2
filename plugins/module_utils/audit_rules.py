# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the audit as data: the audit, its reports and ``docs/findings.md`` are made from it."""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, INFO = "error", "warning", "info"
#: From what hurts most to what is only told.
SEVERITIES = (ERROR, WARNING, INFO)


@dataclass(frozen=True)
class Rule:
    """One rule.

    ``title`` says in a line what is wrong, ``reason`` why that hurts, ``evidence`` how it is found out, ``experiment`` what
    decided it and on which versions, ``remedy`` what to do, ``waive`` when it may stay as it is.
    """

    id: str
    severity: str
    title: str
    reason: str
    evidence: str
    experiment: str
    remedy: str
    waive: str


RULES = (
    Rule(
        "SB001",
        WARNING,
        "A waiver has expired",
        "What it silenced counts again, and nobody has said for how long it may go on.",
        "The date of each waiver in stability_waivers, against today on the host.",
        "Nothing is measured: a waiver counts up to and with its date.",
        "Mend what it was for and remove it, or give it another date and a reason that still holds.",
        "",
    ),
    Rule(
        "SB101",
        ERROR,
        "It does not come back after every end",
        "systemd restarts nothing by default, and on-failure ignores exit 0 and a SIGTERM from outside, with which servers end.",
        "Restart=, RestartSec=, RestartPreventExitStatus= and RemainAfterExit= of the unit as systemd has merged them. With the last one a "
        "daemon counts as active when it has ended well. A job is a unit that a timer starts "
        "and that does not stay up; its retries have a bound where its start limit can act at its restart delay. What only a path starts, "
        "and each connection of a socket, runs once for its event.",
        "A service ended nine ways under each Restart= (systemd 247, 252, 257, 262): only always brings it back after all of them. "
        "With RemainAfterExit=yes one that exits with 0 stays active (exited), and NRestarts=0 (systemd 252, 257).",
        "restart: always for a daemon, an empty RestartPreventExitStatus and RemainAfterExit: 'no' in directives, and a restart_sec that "
        "ends; for a job retries, or 0 where it must not run twice.",
        "A program that is meant to end, and that somebody starts by hand.",
    ),
    Rule(
        "SB102",
        WARNING,
        "A crash loop would burn the CPU",
        "A Python program that fails at its start takes most of a second of CPU time, again and again.",
        "RestartSec= of the unit as systemd has merged it, below a second; where RestartSteps= lets it rise, RestartMaxDelaySec=.",
        "A program that exits at once took 7 to 8 CPU seconds a minute at the default of 100 ms, and 0.4 at 5 s (systemd 252, 257, 262).",
        "restart_sec: 5s.",
        "A program that starts in milliseconds and must be back at once.",
    ),
    Rule(
        "SB103",
        ERROR,
        "The start limit ends it for good",
        "After StartLimitBurst= starts within StartLimitIntervalSec= systemd gives the unit up, and nobody starts it again.",
        "Both directives as systemd has merged them, and whether so many starts fit with the restart delay, also one that rises by "
        "RestartSteps= and RestartMaxDelaySec=.",
        "With the default limit of 5 starts in 10 s, a delay of 100 ms or 1 s is given up, one of 2 s or more never (systemd 252, 257, 262). "
        "One that rises from 1 s to 8 s in two steps is not given up (systemd 257); systemd 252 does not let it rise, and gives up.",
        "start_limit_interval_sec: 0.",
        "Something else starts the unit again, such as StartLimitAction=reboot.",
    ),
    Rule(
        "SB104",
        WARNING,
        "systemd ignores a directive",
        "A directive that is misspelt, in the wrong section or has a bad value is left out without an error.",
        "Each line that systemd-analyze verify prints about the unit or one of its files, those included that it has from its template, or "
        "shares with all units of a prefix or of its type. Its exit status says nothing. What is in effect, and only advised against, such as "
        "User=nobody, is told as info.",
        "StartLimitIntervalSec=0 in [Service] gives a warning in the journal, exit status 0, and the limit stays (systemd 252, 257, 262).",
        "Correct or remove the line.",
        "The unit file serves several versions of systemd, and the directive is for a newer one.",
    ),
    Rule(
        "SB105",
        WARNING,
        "What runs is not what the unit says",
        "The next restart, planned or not, brings the changed unit into effect, at a time that nobody has chosen.",
        "NeedDaemonReload=, LoadState=, and the times of the unit's files against the start of its process.",
        "A changed file takes effect with the daemon-reload and, for most directives, with the next start (systemd 247, 252, 257, 262).",
        "systemctl daemon-reload, and restart the unit when that suits.",
        "The change is meant for the next start.",
    ),
    Rule(
        "SB106",
        ERROR,
        "It is in a crash loop",
        "Without a start limit a unit never fails, so monitoring of failed units stays green; workers that die under a living master "
        "do not even count as restarts.",
        "Restarts that systemd has scheduled within ten minutes, until a process has run for a minute. Where the dead children of a "
        "main process have taken more than a fiftieth of its life in CPU time, its workers are watched for ten seconds: two deaths, or "
        "one and none that is older than half a minute. That is a warning: whether a worker has failed or done its work is not seen of its "
        "death. Retries of a job within its start limit are no loop.",
        "uvicorn with two workers that fail at their import stays active (running) with NRestarts=0 and goes on for ever (systemd 252, 257, 262).",
        "Look at its last records in the journal and mend what ends it.",
        "A program that starts a process of its own kind for each job, and many of them.",
    ),
    Rule(
        "SB107",
        WARNING,
        "It does not come back after a reboot",
        "A unit that runs and is not enabled is gone after the next reboot.",
        "LoadState= of the unit, also of one that is enabled and down, which systemd refuses to load; UnitFileState= of it and of the "
        "timer, socket or path that starts it, and whether default.target pulls in, "
        "over any number of steps, either of them or one of the units into which it is enabled. What is enabled for this boot alone, "
        "static or indirect does not come back by itself.",
        "A reboot of a host with a started and not enabled unit, and with one that is enabled into multiuser.target: systemctl enable "
        "makes the link without a word, is-enabled says enabled, and it is not started (systemd 252).",
        "enabled: true, and a target in wanted_by that a boot reaches. What is static needs an [Install] section, or a unit that wants it; "
        "what is gone or masked its unit file.",
        "Something else starts it after a reboot.",
    ),
    Rule(
        "SB201",
        ERROR,
        "Its output does not go to the journal",
        "What it says when it dies is not where people look, and is not kept as the journal is.",
        "StandardOutput= and StandardError= as systemd has merged them, and what the descriptors 1 and 2 of the running process lead to: "
        "a shell may have redirected them. Of a job, its standard output may be a file.",
        "Output to null, a file or a terminal is not in the journal (systemd 252, 257, 262).",
        "Remove the directive or the redirection; directives of the baseline name the journal.",
        "The program logs to the journal by itself, through its native protocol.",
    ),
    Rule(
        "SB202",
        WARNING,
        "Output is lost when it is killed",
        "Python keeps output to a pipe or socket in a buffer of its own, which a killed process takes along.",
        "The option -u and the variable PYTHONUNBUFFERED of the running process.",
        "0 of 100 printed lines survive SIGKILL, SIGSEGV, os._exit and a plain systemctl stop; unbuffered all do (Python 3.6 to 3.14).",
        'environment: {PYTHONUNBUFFERED: "1"}, which the baseline writes by itself.',
        "The program flushes each line.",
    ),
    Rule(
        "SB203",
        WARNING,
        "The source logs to files",
        "What it writes there is not in the journal: not where people look, not kept as the journal is, and without a rotation the file "
        "grows until the disk is full.",
        "FileHandler and its kin, basicConfig(filename=...), handlers of a literal dictConfig and files given to loguru, with a name that the "
        "source itself gives, in the sources of the two lists or what the command of a unit names and imports. A name that is an option, "
        "or a parameter without a default, is somebody else's decision. At most one finding for each file.",
        "No record of a FileHandler, and none of basicConfig(filename=...), is on stderr (Python 3.6 to 3.13)."
        " 1 of 9 findings in 243 distributions that were judged one by one are false alarms.",
        "A StreamHandler in its place, or none: basicConfig has one.",
        "The file is meant for another program, and the same records go to stderr, too.",
    ),
    Rule(
        "SB204",
        WARNING,
        "A basicConfig has no effect, or loses INFO",
        "The level and format that somebody wrote are not what is in effect, and what is below WARNING is nowhere.",
        "A basicConfig without force in the same file after a statement that has surely run before it and has given the root logger a "
        "handler: another basicConfig, or logging.info() and its kin, which call it. And one without level where no file sets a level and "
        "one logs at INFO. That it names no handler is fine: its own goes to stderr.",
        "A second basicConfig, one after logging.debug(), and one without level each lose INFO; level= shows it, and so does force=True "
        "(Python 3.8 to 3.13; 3.6 and 3.7 ignore force silently)."
        " In the source of 243 distributions it finds nothing.",
        "One basicConfig(level=...) before the first record; force=True where a library was first.",
        "The level is set by something that the source does not show.",
    ),
    Rule(
        "SB205",
        WARNING,
        "Handlers hold back what their logger lets through",
        "Somebody has set the logger to a level, and looks for records that are made and then thrown away.",
        "The level of a logger against those of all of its handlers, and of the root logger's where it passes records on, in code and in "
        "literal dictConfigs, where all of these are plain. It is only told (info) where what is lost is below INFO.",
        "A handler lets everything through until somebody sets its level; one at ERROR on a logger at INFO loses INFO and WARNING "
        "(Python 3.6 to 3.13)."
        " In the source of 243 distributions it finds nothing.",
        "Leave the level to the logger, or set that of the handler to the same.",
        "The logger's level is for handlers that are added elsewhere.",
    ),
    Rule(
        "SB206",
        WARNING,
        "structlog or loguru beside logging, and nothing joins them",
        "Half of the records take another way: where logging is not configured what is below WARNING is lost, and the rest is bare text.",
        "Calls of structlog or loguru in the application, records of logging in it or in a distribution that it imports, and neither "
        "structlog.stdlib, ProcessorFormatter, an intercepting handler nor a handler of logging given to loguru. It is only told (info) "
        "where the application gives the root logger a handler: then nothing is lost.",
        "Without a bridge INFO of logging is lost, and WARNING shows as bare text; records of the two libraries themselves show "
        "(structlog to stdout, loguru to stderr)."
        " 0 of 9 findings in 243 distributions that were judged one by one are false alarms.",
        "structlog.stdlib.LoggerFactory with ProcessorFormatter; for loguru a handler of logging that passes records on.",
        "The dependencies say nothing that anybody needs.",
    ),
    Rule(
        "SB207",
        WARNING,
        "The journal does not keep what it gets",
        "A volatile journal is gone after a reboot, and a rate limit drops records when most of them come: when something breaks.",
        "Storage= in the configuration of journald and all drop-ins, the journal that journald has open (without root, the one that was "
        "written last), what journald says in any namespace that it has dropped within a day, unless its configuration or the files of "
        "the unit have changed since and are in effect, the free space that SystemKeepFree= keeps, and how far the journal goes back where "
        "MaxRetentionSec= is set and a limit of size or number is reached.",
        "Storage=auto without /var/log/journal keeps nothing (systemd to 258); Storage=none leaves an old journal on the disk as it is; a "
        "burst over the limit is dropped and counted.",
        "The role journald, with its defaults.",
        "Records are forwarded to another host at once.",
    ),
    Rule(
        "SB208",
        ERROR,
        "Records do not reach the journal",
        "What a service says of its trouble is then nowhere, and nobody notices before it is needed.",
        "On request (stability_audit_live) the running service makes a record at each level through the root logger and all that are "
        "configured, and through structlog and loguru where they are loaded; these are looked up in the journal, and what is missing is "
        "explained from the loggers and handlers of the process. Of the root logger INFO and above must arrive, of the others what "
        "their own level lets through. It is a warning where nothing but INFO is lost.",
        "Without a configuration INFO of the root logger is nowhere; with basicConfig(level='INFO') all of it arrives, of the priority 6 whatever "
        "its level (systemd 247, 252, 257, 262).",
        "A configuration of logging that brings INFO to stderr, such as logging.basicConfig(level='INFO') before the first record, or the "
        "one that is there corrected.",
        "The program sends its records elsewhere on purpose, and somebody looks there.",
    ),
    Rule(
        "SB209",
        INFO,
        "print() is used as logging",
        "What is printed has no priority and no logger: it cannot be filtered by level, and an error looks like everything else. With "
        "PYTHONUNBUFFERED it is not lost, so this is only told.",
        "A print() in a function that begins with a level or tells of the error that an except clause has caught; in an application "
        "that logs nowhere only with a level, and where that reads arguments not at all: there it is how the program talks. Not in files of "
        "command-line tools, __main__, functions and tests whose names say that they print, nor with file=. At most one finding for each "
        "file.",
        "Unbuffered, all printed lines survive a kill (Python 3.6 to 3.14)."
        " 3 of 82 findings in 243 distributions that were judged one by one are false alarms.",
        "A logger: logging.getLogger(__name__).",
        "It is meant for a person who looks at a terminal.",
    ),
    Rule(
        "SB301",
        INFO,
        "A class defines __del__",
        "It is run at a time, and in a thread, that nobody chooses, for what is in a cycle only when the collector finds that, at the end of "
        "the program perhaps not at all, and it may bring its object back. Cycles with it are freed, so this is only told.",
        "A __del__ in the source that does something, other than SB302 tells of. One that warns of what was not closed is as it should be, and "
        "streams of Python can only have another one. At most one finding for each file.",
        "A cycle with __del__ is freed, and the __del__ run once (Python 3.8 to 3.14; not before 3.4). 0 of 13 findings in 243 distributions "
        "that were judged one by one are false alarms.",
        "weakref.finalize, which is run once, also at the end of the program, and cannot see its object half gone; or with.",
        "It only gives back what C has allocated.",
    ),
    Rule(
        "SB302",
        WARNING,
        "A __del__ does what it should not",
        "What it writes, waits for or logs may stop whatever runs just then, holds a lock that this needs, or fails at the end of the program, "
        "where the error is only printed. As async def it is never run.",
        "What a __del__ calls, and the methods of its class that it calls, three deep: files, processes, network, records of logging, tasks, "
        "and what closes something. It is only told (info) where it does no more than close, and the class has close() or a context "
        "manager: then it is a net below those. Classes "
        "for another system are left out. At most one finding for each file.",
        "A __del__ that takes a lock which the interrupted code holds waits for ever; an async one is not run; an exception in one is "
        "printed and lost; at SIGTERM none is run (Python 3.8 to 3.14)."
        " 1 of 42 findings in 243 distributions that were judged one by one are false alarms.",
        "close() and a context manager: with, contextlib.closing, contextlib.ExitStack for several, async with for what has to be awaited; "
        "weakref.finalize where nobody can say when it ends.",
        "It does nothing where somebody has closed it, and that is always done.",
    ),
    Rule(
        "SB303",
        WARNING,
        "The garbage collector is off",
        "No cycle of objects is freed then, and exceptions, closures and tasks make cycles all the time.",
        "gc.disable() and gc.set_threshold(0) where the file does not turn it on again, debug flags that keep all garbage, and gc.freeze() in "
        "a loop. It is only told (info) where a condition decides, or the program collects by itself, and for a gc.freeze() with neither "
        "gc.collect() before it nor gc.unfreeze(). gc.freeze() before a fork, after gc.collect(), is no finding. At most one finding for "
        "each file.",
        "With gc.disable() no cycle is freed; gc.freeze() keeps the cycles that are there at that moment, garbage or not, and none that "
        "comes after it (Python 3.8 to 3.14)."
        " None of its 3 findings in 243 distributions was drawn to be judged.",
        "Leave it on; where its pauses are too long gc.collect() and gc.freeze() once, when everything is loaded, or a higher gc.set_threshold().",
        "The program ends after each job.",
    ),
    Rule(
        "SB304",
        INFO,
        "It has no memory cap",
        "A leak then takes the whole host down, not the service alone.",
        "MemoryMax= as systemd has merged it.",
        "With MemoryMax= the service is killed alone and comes back; without, the host kills what it likes (cgroup v1 and v2).",
        "memory_max, from what it needs at its peak and some room.",
        "The host runs nothing else.",
    ),
    Rule(
        "SB305",
        WARNING,
        "Its memory limits work against each other",
        "At MemoryHigh= the kernel slows a service down; it does not end it. Below what the service needs that freezes it for good, and at "
        "or above MemoryMax= it has no effect.",
        "MemoryHigh= and MemoryMax= as systemd has merged them, and the memory of the control group now that is in no file, since the "
        "kernel takes back the rest first.",
        "A service whose working set is above MemoryHigh= stands still, and is not restarted (systemd 252, cgroup v2).",
        "memory_high below memory_max, and well above what it needs.",
        "",
    ),
    Rule(
        "SB306",
        WARNING,
        "Its memory rises steadily",
        "What only grows reaches the cap, or takes the whole host down, at some hour of the night.",
        "The samples of the role leakwatch, of the run that goes on: the memory of the control group that no file backs, over the last 4 or "
        "24 hours, where caches that fill, hours of the day and steps are told apart from growth.",
        "240 labelled traces from a generator that shares nothing with the detector: 0.98 of what is found are leaks, 0.96 of the leaks are "
        "found.",
        "Find the class that grows with stability.baseline.python_process_info; memory_max bounds it until then.",
        "A cache that is meant to fill for days, and is bounded.",
    ),
    Rule(
        "SB308",
        WARNING,
        "The source keeps what nobody needs any more",
        "What is kept by one object more for each request grows until the service is killed, at a time that nobody chooses.",
        "lru_cache and cache on methods, but for bounds that are small or written as a name, and classes of which a program has one object; a "
        "collection of the module that functions put what comes in into, and no file takes anything out of; weakref.finalize that is given "
        "its own object or a method of it; exceptions in a collection that only grows; tasks that nobody keeps. It is only told (info) where "
        "there is a bound, as with lru_cache, where it may be short, and of tasks. At most one finding of each kind for each file.",
        "The first four keep their object after its last use, also over gc.collect(), and their remedies do not; a task that nobody keeps may be "
        "collected while it waits (Python 3.8 to 3.14)."
        " 3 of 45 findings in 243 distributions that were judged one by one are false alarms.",
        "functools.cached_property, or a cache in a function of the module; a bound or an end for what is in a collection; a function and "
        "what it needs for weakref.finalize; traceback.format_exc() for an exception; async with asyncio.TaskGroup() for tasks.",
        "There are only so many of these, and they live as long as the program.",
    ),
    Rule(
        "SB309",
        WARNING,
        "It was killed because of its memory",
        "It came back, so nothing looks wrong; what it had in hand is lost each time.",
        "What the role leakwatch has seen within a day: the counters of the kernel and the records of systemd on cgroup v2; on v1 a run that "
        "ended with 90 % of its cap in use, which is told as probable.",
        "A service over its cap is killed alone and comes back (systemd 247, 252 and 257, cgroup v1; 257, cgroup v2).",
        "A higher memory_max where it needs that much, otherwise look at SB306.",
        "",
    ),
    Rule(
        "SB401",
        ERROR,
        "Distributions do not fit together",
        "What a distribution requires is missing or has another version; it fails at some import or call, not at the start.",
        "The requirements of every installed distribution, with their environment markers, against what is installed: what pip check says.",
        "pip prints ERROR and ends with 0 when it creates a conflict (pip 20 to 26).",
        "Pin versions that fit together, what they require included.",
        "The requirement is known to be wrong: a bound that its authors have lifted since.",
    ),
    Rule(
        "SB402",
        ERROR,
        "Installed files are not those of the distribution",
        "Somebody changed or removed a file, or an installer was killed; pip check is content with all of these.",
        "Every file of every installed distribution against its RECORD; digests are remembered by inode, size and times.",
        "pip killed in the middle left 19 of 20 Django environments broken, all of them fine for pip check; the kills of our own tests do "
        "the same to pip 23.0.1 where it installs in place (Python 3.11).",
        "The role packages, which installs again what differs.",
        "A file that the program itself rewrites.",
    ),
    Rule(
        "SB403",
        WARNING,
        "Something is installed that nothing pins",
        "Its version is whatever it was when somebody installed it, and the next host gets another one.",
        "Installed distributions against the pins of stability_environments; pip, setuptools and wheel need none.",
        "flask==2.0.3 alone gets Werkzeug 3, with which it cannot be imported (pip 20 to 26).",
        "Pin it, or uninstall it; locked: true refuses it from then on.",
        "A tool that nobody imports.",
    ),
    Rule(
        "SB404",
        ERROR,
        "A version is not the pinned one",
        "What was tested is not what runs.",
        "Installed versions against the pins of stability_environments, compared by PEP 440.",
        "--upgrade and installations without --no-deps change other distributions, too (pip 20 to 26).",
        "The role packages, or the pin corrected.",
        "",
    ),
    Rule(
        "SB405",
        WARNING,
        "The process is older than its environment",
        "It has old code in memory and reads new files with its next import: a mixture that nobody has tested.",
        "The start of the process against the last installation of a distribution, and the last switch by the baseline; a distribution "
        "that somebody has only taken away leaves no time.",
        "What a running process imports late comes from the new files, until its restart (Python 3.8 to 3.14).",
        "Restart it; the role service does so by itself.",
        "The change touched only what the process has imported already.",
    ),
    Rule(
        "SB406",
        ERROR,
        "The source uses what the installed version does not have",
        "It fails when that line runs: at the start, or at three in the morning.",
        "Every module.attribute and from module import name in the source folders of the two lists (sources, or working_directory of a "
        "service), without lists in what the command of a unit names and imports, looked for in the source of the module that is used, "
        "and where it is not seen there asked of the environment's own interpreter. What a module has for type checkers alone, "
        "or removes again, it does not have; what it has on another system, or a function sets later, it has.",
        "np.bool with numpy 1.24, soft_unicode of Jinja2 2.11 with MarkupSafe 2.1, url_quote of Flask 2.0 with Werkzeug 3; 40 popular "
        "distributions scanned against themselves give no false alarm.",
        "Pin a version that has it, or change the line.",
        "The line is never run.",
    ),
    Rule(
        "SB407",
        ERROR,
        "An interrupted installation has left something",
        "A folder that begins with ~ is what pip had moved away before it was killed; the environment may be half of two versions.",
        "Names in site-packages that begin with ~, and an unfinished change of the baseline.",
        "A second run of pip heals the import and never the leftovers (20 kills).",
        "The role packages, which removes them and installs again what differs.",
        "",
    ),
    Rule(
        "SB408",
        WARNING,
        "Imports may come from outside of the environment",
        "PYTHONPATH and the user's own site-packages come before or beside the environment, and nothing pins what is in there.",
        "PYTHONPATH of the running process, the folder of the user's site-packages, and modules that hide installed ones, or those of "
        "Python itself: beside the script, in the working directory for python -m, python -c and the servers that put it first; each as "
        "far as the options and variables of the process let it look there.",
        "A module in the working directory hides an installed one for python -m and -c (Python 3.8 to 3.14), and under gunicorn, "
        "uvicorn, hypercorn, daphne, celery, flask, dramatiq, huey and granian, not under waitress and rq.",
        "Remove PYTHONPATH, write PYTHONNOUSERSITE=1, rename the module.",
        "The folder is part of the application and holds no distribution.",
    ),
)
BY_ID = {rule.id: rule for rule in RULES}

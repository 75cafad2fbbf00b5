//! The `wechat-sim` binary: serves until told to stop, or while one command runs.

use std::{
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    process::ExitCode,
};

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};
use wechat_sim::{
    Simulator,
    cli::{Cli, Mode, Push, Serve},
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.mode) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("wechat-sim: {error}");
            ExitCode::from(if error.kind() == io::ErrorKind::InvalidInput {
                2
            } else {
                1
            })
        }
    }
}

fn run(mode: Mode) -> io::Result<u8> {
    let (serve, command) = match mode {
        Mode::Serve(serve) => (serve, None),
        Mode::Exec(exec) => (exec.serve, Some(exec.command)),
        Mode::Push(order) => return push(&order),
    };
    if serve.parent_death {
        set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            None => wait(&serve).await,
            Some(command) => exec(&serve, &command).await,
        }
    })
}

/// Prints the ready line and waits for SIGTERM or SIGINT.
async fn wait(serve: &Serve) -> io::Result<u8> {
    // Before the ready line, because its reader may stop this process at once.
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let simulator = Simulator::start(serve.options(!serve.quiet))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", simulator.endpoints().to_json())?;
    stdout.flush()?;
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(0)
}

/// Runs the command against the simulator. Exits with the command's code.
async fn exec(serve: &Serve, command: &[String]) -> io::Result<u8> {
    let mut term = signal(SignalKind::terminate())?;
    // The terminal sends SIGINT to the command too, so its reaction is awaited.
    let _interrupt = signal(SignalKind::interrupt())?;
    let simulator = Simulator::start(serve.options(false))?;
    let at = simulator.endpoints();
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .env("WXSIM_HTTP", &at.http)
        .env("WXSIM_HTTPS", &at.https)
        .env("WXSIM_CONTROL", &at.control)
        .env("WXSIM_PROXY", &at.proxy)
        .env("WXSIM_CA", &at.ca_file)
        .env("WXSIM_READY", at.to_json().to_string())
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("cannot run {}: {error}", command[0]))
        })?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = term.recv() => {
                if let Some(pid) = pid {
                    // If it has ended already, `wait` reports that.
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
        }
    };
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Makes a ticket in a running simulator, and prints what WeChat would push.
fn push(order: &Push) -> io::Result<u8> {
    // Never through a proxy from the environment, because the address is on loopback.
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .new_agent();
    let url = format!("http://{}/push", order.control);
    let body = serde_json::json!({"id": order.id, "age_ms": order.age_ms}).to_string();
    let told = |error| io::Error::other(format!("cannot ask {url}: {error}"));
    let mut reply = agent.post(&url).send(&body).map_err(told)?;
    let text = reply.body_mut().read_to_string().map_err(told)?;
    let reply: serde_json::Value = serde_json::from_str(&text)?;
    let wanted = if order.ticket_only { "ticket" } else { "xml" };
    match reply[wanted].as_str() {
        Some(wanted) => {
            writeln!(io::stdout(), "{wanted}")?;
            Ok(0)
        }
        None => Err(io::Error::other(format!("{url} answered {}", text.trim()))),
    }
}

//! One exchange on one connection: questions with their mark, and the answer to each.

use std::io;
use std::time::Instant;

use super::link::Link;
use super::question::{Question, words};
use super::refusal::Refusal;
use super::resp::Reply;
use super::script::answer;
use super::server::Server;
use super::without_scripts;
use crate::clock::boot_ms;
use crate::sys::random;

/// The answers of one exchange.
pub(super) struct Said {
    /// For each question, its values or the server's message of refusal.
    pub to: Vec<Result<Vec<Reply>, String>>,
    /// The replies to the commands that were sent along with the questions.
    pub beside: Vec<Reply>,
}

impl Server {
    /// Asks the questions and the commands `beside` in one exchange.
    pub(super) fn converse(
        &self,
        link: &mut Link,
        questions: &[&Question],
        beside: &[Vec<Vec<u8>>],
        end: Instant,
    ) -> io::Result<Said> {
        let mark: String = random().iter().map(|byte| format!("{byte:02x}")).collect();
        let in_one_exchange = |question: &&Question| link.has_scripts || !question.is_script();
        let together: Vec<bool> = questions.iter().map(in_one_exchange).collect();
        let mut requests: Vec<Vec<Vec<u8>>> = questions
            .iter()
            .zip(&together)
            .filter(|(_, together)| **together)
            .map(|(question, _)| request(question, false, &mark))
            .collect();
        requests.extend_from_slice(beside);
        let sent = boot_ms();
        let mut replies = link.exchange(&requests, end)?.into_iter();
        let answered = boot_ms();
        let mut to = Vec::new();
        let first: Vec<Option<Reply>> = together
            .iter()
            .map(|together| together.then(|| replies.next()).flatten())
            .collect();
        for (question, reply) in questions.iter().zip(first) {
            let mut times = (sent, answered);
            let reply = match reply {
                Some(Reply::Failure(text)) if question.is_script() => {
                    times.0 = boot_ms();
                    let reply = self.again(link, question, text, &mark, end)?;
                    times.1 = boot_ms();
                    reply
                }
                Some(reply) => reply,
                None => {
                    times.0 = boot_ms();
                    let reply = without_scripts::ask(link, question, &mark, end)?;
                    times.1 = boot_ms();
                    reply
                }
            };
            to.push(match (question, reply) {
                (_, Reply::Failure(message)) => Err(message),
                (Question::Plain(_), reply) => Ok(vec![reply]),
                (Question::Script(_, key, _), reply) => {
                    let answer = answer(reply, &mark)
                        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
                    if self.tells_the_time(key) {
                        self.clock.learn(answer.time_us / 1000, times.0, times.1);
                    }
                    Ok(answer.values)
                }
            });
        }
        Ok(Said {
            to,
            beside: replies.collect(),
        })
    }

    /// Asks again with a script that the server does not know or does not run.
    fn again(
        &self,
        link: &mut Link,
        question: &Question,
        refusal: String,
        mark: &str,
        end: Instant,
    ) -> io::Result<Reply> {
        let mut refusal = refusal;
        if Refusal::of(&refusal) == Refusal::NoScript {
            let whole = link.exchange(&[request(question, true, mark)], end)?;
            match whole.into_iter().next().unwrap_or(Reply::Nothing) {
                Reply::Failure(text) => refusal = text,
                reply => return Ok(reply),
            }
        }
        if !without_scripts::is_lack(&refusal) {
            return Ok(Reply::Failure(refusal));
        }
        let reply = without_scripts::ask(link, question, mark, end)?;
        if matches!(&reply, Reply::Failure(text) if without_scripts::is_lack_too(text)) {
            return Ok(Reply::Failure(refusal));
        }
        link.has_scripts = false;
        Ok(reply)
    }
}

fn request(question: &Question, whole: bool, mark: &str) -> Vec<Vec<u8>> {
    match question {
        Question::Plain(parts) => parts.clone(),
        Question::Script(script, key, args) => {
            let mut parts = match whole {
                true => words(&["EVAL", script.text]),
                false => words(&["EVALSHA", &script.hash()]),
            };
            parts.extend(words(&["1", key, mark]));
            parts.extend(args.iter().cloned());
            parts
        }
    }
}

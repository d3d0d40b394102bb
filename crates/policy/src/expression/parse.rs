//! From tokens to a tree.
//!
//! Every way into a deeper level goes through [`Parser::expression`], which counts the levels, and every node
//! through [`Parser::node`], which counts nodes and the height of the tree. So neither the parser nor whatever
//! walks the tree later runs deeper than the limits say.

use super::lex::{Token, tokens};
use super::{HEIGHT_MAX, Mistake, NESTING_MAX, NODES_MAX, Place};

/// A part of an expression.
pub(super) struct Node<'t> {
    pub(super) place: Place,
    height: usize,
    pub(super) kind: Kind<'t>,
}

/// What a part of an expression is.
pub(super) enum Kind<'t> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    /// A name; a rooted one (`.name`) means no variable of a macro.
    Name {
        name: &'t str,
        rooted: bool,
    },
    Select {
        of: Box<Node<'t>>,
        field: &'t str,
    },
    Index {
        of: Box<Node<'t>>,
        index: Box<Node<'t>>,
    },
    Call {
        function: &'t str,
        receiver: Option<Box<Node<'t>>>,
        arguments: Vec<Node<'t>>,
    },
    List(Vec<Node<'t>>),
    Map(Vec<(Node<'t>, Node<'t>)>),
    Not(Box<Node<'t>>),
    Negate(Box<Node<'t>>),
    Binary {
        operator: Operator,
        left: Box<Node<'t>>,
        right: Box<Node<'t>>,
    },
    /// Two or more operands of `&&`.
    All(Vec<Node<'t>>),
    /// Two or more operands of `||`.
    Any(Vec<Node<'t>>),
    Conditional {
        test: Box<Node<'t>>,
        then: Box<Node<'t>>,
        otherwise: Box<Node<'t>>,
    },
}

/// An operator between two values, other than `&&` and `||`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// Returns the operator as it is written.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// Returns the operator that a token is, and how tightly it binds, from 1.
    fn of(token: &Token<'_>) -> Option<(Self, u8)> {
        Some(match token {
            Token::In => (Self::In, 1),
            Token::Sign("==") => (Self::Equal, 1),
            Token::Sign("!=") => (Self::NotEqual, 1),
            Token::Sign("<") => (Self::Less, 1),
            Token::Sign("<=") => (Self::LessOrEqual, 1),
            Token::Sign(">") => (Self::Greater, 1),
            Token::Sign(">=") => (Self::GreaterOrEqual, 1),
            Token::Sign("+") => (Self::Add, 2),
            Token::Sign("-") => (Self::Subtract, 2),
            Token::Sign("*") => (Self::Multiply, 3),
            Token::Sign("/") => (Self::Divide, 3),
            Token::Sign("%") => (Self::Remainder, 3),
            _ => return None,
        })
    }
}

/// How tightly the tightest binary operator binds.
const BINDING_MAX: u8 = 3;

/// Reads a whole expression.
///
/// Fails with the first place that does not follow the grammar, or with the limit that was passed.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Mistake> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, nesting: 0, nodes: 0 };
    let node = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(node),
        Token::Sign("{") => Err(Mistake::new(parser.place(), "a message, `Name{…}`", NO_MESSAGES)),
        _ => Err(parser.unexpected("an operator or the end of the expression")),
    }
}

/// Why there are no messages.
pub(super) const NO_MESSAGES: &str = "no protocol buffer type: policy expressions have strings, numbers, bool, \
    bytes, lists, maps, timestamps and durations only";

struct Parser<'t> {
    tokens: Vec<(Place, Token<'t>)>,
    at: usize,
    nesting: usize,
    nodes: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &Token<'t> {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn place(&self) -> Place {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Place::START, |(place, _)| *place)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Mistake> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(format!("`{sign}`"))) }
    }

    fn unexpected(&self, expected: impl Into<String>) -> Mistake {
        Mistake::new(self.place(), self.peek().describe(), expected)
    }

    /// Makes a node over others, the highest of which is `below` high.
    fn node(&mut self, place: Place, below: usize, kind: Kind<'t>) -> Result<Node<'t>, Mistake> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Mistake::new(place, format!("more than {NODES_MAX} parts"), "a shorter expression"));
        }
        let height = below + 1;
        if height > HEIGHT_MAX {
            let found = format!("more than {HEIGHT_MAX} operations that each need the one before");
            return Err(Mistake::new(place, found, "a flatter expression"));
        }
        Ok(Node { place, height, kind })
    }

    fn expression(&mut self) -> Result<Node<'t>, Mistake> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX + 1 {
            let found = format!("more than {NESTING_MAX} levels of nesting");
            return Err(Mistake::new(self.place(), found, "a flatter expression"));
        }
        let node = self.conditional()?;
        self.nesting -= 1;
        Ok(node)
    }

    fn conditional(&mut self) -> Result<Node<'t>, Mistake> {
        let test = self.any()?;
        let place = self.place();
        if !self.accept("?") {
            return Ok(test);
        }
        let then = self.any()?;
        self.expect(":")?;
        let otherwise = self.expression()?;
        let below = test.height.max(then.height).max(otherwise.height);
        let kind =
            Kind::Conditional { test: Box::new(test), then: Box::new(then), otherwise: Box::new(otherwise) };
        self.node(place, below, kind)
    }

    fn any(&mut self) -> Result<Node<'t>, Mistake> {
        let first = self.all()?;
        let place = self.place();
        let mut operands = vec![first];
        while self.accept("||") {
            operands.push(self.all()?);
        }
        self.joined(place, operands, Kind::Any)
    }

    fn all(&mut self) -> Result<Node<'t>, Mistake> {
        let first = self.binary(1)?;
        let place = self.place();
        let mut operands = vec![first];
        while self.accept("&&") {
            operands.push(self.binary(1)?);
        }
        self.joined(place, operands, Kind::All)
    }

    /// Joins two or more operands; one alone stays what it is.
    fn joined(
        &mut self,
        place: Place,
        mut operands: Vec<Node<'t>>,
        join: impl Fn(Vec<Node<'t>>) -> Kind<'t>,
    ) -> Result<Node<'t>, Mistake> {
        match operands.pop() {
            Some(only) if operands.is_empty() => Ok(only),
            Some(last) => {
                operands.push(last);
                self.node(place, height(&operands), join(operands))
            }
            None => Err(self.unexpected("an expression")),
        }
    }

    /// Reads operands joined by operators that bind at least as tightly as `binding`.
    fn binary(&mut self, binding: u8) -> Result<Node<'t>, Mistake> {
        if binding > BINDING_MAX {
            return self.unary();
        }
        let mut left = self.binary(binding + 1)?;
        while let Some((operator, found)) = Operator::of(self.peek())
            && found == binding
        {
            let place = self.place();
            self.at += 1;
            let right = self.binary(binding + 1)?;
            let below = left.height.max(right.height);
            let kind = Kind::Binary { operator, left: Box::new(left), right: Box::new(right) };
            left = self.node(place, below, kind)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node<'t>, Mistake> {
        let sign = match self.peek() {
            Token::Sign("!") => "!",
            Token::Sign("-") => "-",
            _ => return self.member(false),
        };
        let mut places = Vec::new();
        while matches!(self.peek(), Token::Sign(found) if *found == sign) {
            places.push(self.place());
            self.at += 1;
        }
        // A minus before a number belongs to it; else the smallest int could not be written.
        let number = sign == "-" && matches!(self.peek(), Token::Int(_) | Token::Double(_));
        if number {
            places.pop();
        }
        let mut node = self.member(number)?;
        for place in places.into_iter().rev() {
            let below = node.height;
            let inner = Box::new(node);
            let kind = if sign == "!" { Kind::Not(inner) } else { Kind::Negate(inner) };
            node = self.node(place, below, kind)?;
        }
        Ok(node)
    }

    fn member(&mut self, negative: bool) -> Result<Node<'t>, Mistake> {
        let mut node = self.primary(negative)?;
        loop {
            let place = self.place();
            if self.accept(".") {
                node = self.selection(node)?;
            } else if self.accept("[") {
                let index = self.expression()?;
                self.expect("]")?;
                let below = node.height.max(index.height);
                let kind = Kind::Index { of: Box::new(node), index: Box::new(index) };
                node = self.node(place, below, kind)?;
            } else if matches!(self.peek(), Token::Sign("{"))
                && matches!(node.kind, Kind::Name { .. } | Kind::Select { .. })
            {
                return Err(Mistake::new(node.place, "a message, `Name{…}`", NO_MESSAGES));
            } else {
                return Ok(node);
            }
        }
    }

    /// Reads what follows a dot after `of`: a field or a call.
    fn selection(&mut self, of: Node<'t>) -> Result<Node<'t>, Mistake> {
        let place = self.place();
        let field = match self.peek() {
            Token::Name(name) | Token::Reserved(name) => *name,
            _ => return Err(self.unexpected("the name of a field or a function")),
        };
        self.at += 1;
        if !self.accept("(") {
            let below = of.height;
            return self.node(place, below, Kind::Select { of: Box::new(of), field });
        }
        let arguments = self.arguments()?;
        let below = of.height.max(height(&arguments));
        let kind = Kind::Call { function: field, receiver: Some(Box::new(of)), arguments };
        self.node(place, below, kind)
    }

    /// Reads the arguments of a call, behind its opening parenthesis.
    fn arguments(&mut self) -> Result<Vec<Node<'t>>, Mistake> {
        let mut arguments = Vec::new();
        if self.accept(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.accept(")") {
                return Ok(arguments);
            }
            if !self.accept(",") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    fn primary(&mut self, negative: bool) -> Result<Node<'t>, Mistake> {
        let place = self.place();
        let token = self.peek().clone();
        let kind = match token {
            Token::Sign("(") => {
                self.at += 1;
                let node = self.expression()?;
                self.expect(")")?;
                return Ok(node);
            }
            Token::Sign("[") => return self.list(),
            Token::Sign("{") => return self.map(),
            Token::Sign(".") => {
                self.at += 1;
                return self.name(true);
            }
            Token::Name(_) => return self.name(false),
            Token::Null => Kind::Null,
            Token::True => Kind::Bool(true),
            Token::False => Kind::Bool(false),
            Token::Int(magnitude) => Kind::Int(signed(place, magnitude, negative)?),
            Token::Uint(value) => Kind::Uint(value),
            Token::Double(value) => Kind::Double(if negative { -value } else { value }),
            Token::String(text) => Kind::String(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Reserved(_) | Token::In | Token::Sign(_) | Token::End => {
                return Err(self.unexpected("an expression"));
            }
        };
        self.at += 1;
        self.node(place, 0, kind)
    }

    fn name(&mut self, rooted: bool) -> Result<Node<'t>, Mistake> {
        let place = self.place();
        let Token::Name(name) = *self.peek() else { return Err(self.unexpected("a name")) };
        self.at += 1;
        if !self.accept("(") {
            return self.node(place, 0, Kind::Name { name, rooted });
        }
        let arguments = self.arguments()?;
        let below = height(&arguments);
        self.node(place, below, Kind::Call { function: name, receiver: None, arguments })
    }

    fn list(&mut self) -> Result<Node<'t>, Mistake> {
        let place = self.place();
        self.expect("[")?;
        let mut items = Vec::new();
        while !self.accept("]") {
            items.push(self.expression()?);
            if !self.accept(",") && !matches!(self.peek(), Token::Sign("]")) {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
        self.node(place, height(&items), Kind::List(items))
    }

    fn map(&mut self) -> Result<Node<'t>, Mistake> {
        let place = self.place();
        self.expect("{")?;
        let mut entries = Vec::new();
        let mut below = 0;
        while !self.accept("}") {
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            below = below.max(key.height).max(value.height);
            entries.push((key, value));
            if !self.accept(",") && !matches!(self.peek(), Token::Sign("}")) {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        self.node(place, below, Kind::Map(entries))
    }
}

fn height(nodes: &[Node<'_>]) -> usize {
    nodes.iter().map(|node| node.height).max().unwrap_or(0)
}

fn signed(place: Place, magnitude: u64, negative: bool) -> Result<i64, Mistake> {
    let value = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or_else(|| {
        let sign = if negative { "-" } else { "" };
        Mistake::new(place, format!("the number `{sign}{magnitude}`"), "an int: from -2^63 to 2^63 - 1")
    })
}

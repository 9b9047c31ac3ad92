//! `+ - * / & | ^ !` on expressions and numbers, by value and by reference.

use std::ops::{
    Add, AddAssign, BitAnd, BitOr, BitXor, Div, DivAssign, Mul, MulAssign, Neg, Not, Rem, Sub,
    SubAssign,
};

use gradient_proto::v1::Op;

use super::{Expr, Operand};

macro_rules! operator {
    ($($trait:ident::$method:ident = $op:ident;)*) => {$(
        impl<T: Operand> $trait<T> for Expr {
            type Output = Expr;

            #[track_caller]
            fn $method(self, other: T) -> Expr {
                self.binary(Op::$op, other, None)
            }
        }

        impl<T: Operand> $trait<T> for &Expr {
            type Output = Expr;

            #[track_caller]
            fn $method(self, other: T) -> Expr {
                self.binary(Op::$op, other, None)
            }
        }
    )*};
}

operator! {
    Add::add = Add;
    Sub::sub = Subtract;
    Mul::mul = Multiply;
    Div::div = Divide;
    Rem::rem = Remainder;
    BitAnd::bitand = And;
    BitOr::bitor = Or;
    BitXor::bitxor = Xor;
}

macro_rules! number_first {
    ($($trait:ident::$method:ident = $op:ident;)*) => {$(
        impl $trait<Expr> for f64 {
            type Output = Expr;

            #[track_caller]
            fn $method(self, other: Expr) -> Expr {
                self.into_expr(&other.arena, other.dtype()).binary(Op::$op, other, None)
            }
        }

        impl $trait<&Expr> for f64 {
            type Output = Expr;

            #[track_caller]
            fn $method(self, other: &Expr) -> Expr {
                self.into_expr(&other.arena, other.dtype()).binary(Op::$op, other, None)
            }
        }
    )*};
}

number_first! {
    Add::add = Add;
    Sub::sub = Subtract;
    Mul::mul = Multiply;
    Div::div = Divide;
    Rem::rem = Remainder;
}

macro_rules! assign {
    ($($trait:ident::$method:ident = $op:ident;)*) => {$(
        impl<T: Operand> $trait<T> for Expr {
            #[track_caller]
            fn $method(&mut self, other: T) {
                *self = self.binary(Op::$op, other, None);
            }
        }
    )*};
}

assign! {
    AddAssign::add_assign = Add;
    SubAssign::sub_assign = Subtract;
    MulAssign::mul_assign = Multiply;
    DivAssign::div_assign = Divide;
}

macro_rules! prefix {
    ($($trait:ident::$method:ident = $op:ident;)*) => {$(
        impl $trait for Expr {
            type Output = Expr;

            #[track_caller]
            fn $method(self) -> Expr {
                self.unary(Op::$op, None)
            }
        }

        impl $trait for &Expr {
            type Output = Expr;

            #[track_caller]
            fn $method(self) -> Expr {
                self.unary(Op::$op, None)
            }
        }
    )*};
}

prefix! {
    Neg::neg = Negate;
    Not::not = Not;
}

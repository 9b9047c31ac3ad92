use super::Moves;
use super::assembler::{Arithmetic, Assembler, At, Base, Bits, Condition, Logic, Operand, Width};
use crate::tape::Slot;

fn encoded(write: &dyn Fn(&mut Assembler)) -> Vec<u8> {
    let mut code = Assembler::default();
    write(&mut code);
    code.bytes
}

fn at(base: Base, bytes: i32) -> At {
    At { base, bytes }
}

/// Against what GNU as makes of the same instructions.
#[test]
fn instructions_are_encoded() {
    let (u, l) = (at(Base::UNIFORM, 8), at(Base::VARYING, 4096));
    // vmovsd xmm9, [rbx + 8]
    let bytes = encoded(&|c| c.load(9, u));
    assert_eq!(bytes, [0xc4, 0x61, 0x03 | 0x78, 0x10, 0x4b, 0x08]);
    // vaddsd xmm1, xmm12, [r13 + 4096]
    let bytes = encoded(&|c| c.arithmetic(Arithmetic::Add, 1, 12, Operand::Memory(l)));
    assert_eq!(bytes, [0xc4, 0xc1, 0x1b, 0x58, 0x8d, 0, 0x10, 0, 0]);
    // vxorpd xmm3, xmm2, xmm15
    let bytes = encoded(&|c| c.bits(Bits::Xor, 3, 2, Operand::Register(15)));
    assert_eq!(bytes, [0xc4, 0xc1, 0x69, 0x57, 0xdf]);
    // vfmadd231sd xmm8, xmm1, xmm2
    let bytes = encoded(&|c| c.multiply_add(8, 1, Operand::Register(2)));
    assert_eq!(bytes, [0xc4, 0x62, 0xf1, 0xb9, 0xc2]);
    // vucomisd xmm0, xmm1; seta al; mov [r15 + 3], al
    let bytes = encoded(&|c| {
        c.compare(0, Operand::Register(1), Condition::Above);
        c.logic(Logic::Store, at(Base::VARYING_BOOL, 3));
    });
    let want = [
        0xc4, 0xe1, 0x79, 0x2e, 0xc1, 0x0f, 0x97, 0xc0, 0x41, 0x88, 0x47, 3,
    ];
    assert_eq!(bytes, want);
    // mov rax, [rbx + 8]; cmp byte ptr [r14 + 1], 0; cmovne rax, [r13 + 4096]; mov [rbx + 8], rax
    let bytes = encoded(&|c| c.select_word(u, at(Base::UNIFORM_BOOL, 1), l, u));
    let want = [
        &[0x48, 0x8b, 0x43, 8][..],
        &[0x41, 0x80, 0x7e, 1, 0],
        &[0x49, 0x0f, 0x45, 0x85, 0, 0x10, 0, 0],
        &[0x48, 0x89, 0x43, 8],
    ];
    assert_eq!(bytes, want.concat());
}

#[test]
fn loops_are_encoded() {
    let (u, l) = (at(Base::UNIFORM, 8), at(Base::VARYING, 4096));
    // vmovupd ymm9, [r13 + rax + 4096]
    let bytes = encoded(&|c| c.load_row(9, l));
    assert_eq!(bytes, [0xc4, 0x41, 0x7d, 0x10, 0x8c, 5, 0, 0x10, 0, 0]);
    // vmovupd [rbx + rax + 8], ymm10
    let bytes = encoded(&|c| c.store_row(u, 10));
    assert_eq!(bytes, [0xc4, 0x61, 0x7d, 0x11, 0x94, 3, 8, 0, 0, 0]);
    // vbroadcastsd ymm12, [rbx + 8]
    let bytes = encoded(&|c| c.spread(12, u));
    assert_eq!(bytes, [0xc4, 0x62, 0x7d, 0x19, 0x63, 8]);
    // vaddpd ymm1, ymm12, [r13 + rax + 4096]
    let bytes = encoded(&|c| c.arithmetic_row(Arithmetic::Add, 1, 12, Operand::Row(l)));
    assert_eq!(bytes, [0xc4, 0xc1, 0x1d, 0x58, 0x8c, 5, 0, 0x10, 0, 0]);
    // vsqrtpd ymm3, ymm9
    let bytes = encoded(&|c| c.square_root_row(3, Operand::Register(9)));
    assert_eq!(bytes, [0xc4, 0xc1, 0x7d, 0x51, 0xd9]);
    // vxorpd ymm3, ymm2, ymm15
    let bytes = encoded(&|c| c.bits_row(Bits::Xor, 3, 2, Operand::Register(15)));
    assert_eq!(bytes, [0xc4, 0xc1, 0x6d, 0x57, 0xdf]);
    // vfmadd231pd ymm8, ymm1, ymm2
    let bytes = encoded(&|c| c.multiply_add_row(8, 1, Operand::Register(2)));
    assert_eq!(bytes, [0xc4, 0x62, 0xf5, 0xb8, 0xc2]);
    // xor eax, eax; (loop:) add rax, 32; cmp rax, 4096; jb loop; vzeroupper
    let bytes = encoded(&|c| {
        let begin = c.begin_loop();
        c.end_loop(begin, Some(4096));
    });
    let want = [
        &[0x31, 0xc0][..],
        &[0x48, 0x83, 0xc0, 32, 0x48, 0x3d, 0, 0x10, 0, 0],
        &[0x0f, 0x82, 0xf0, 0xff, 0xff, 0xff, 0xc5, 0xf8, 0x77],
    ];
    assert_eq!(bytes, want.concat());
}

/// With displacements of 32 bits, which count bytes.
#[test]
fn rows_of_eight_are_encoded() {
    let (u, l) = (at(Base::UNIFORM, 8), at(Base::VARYING, 4096));
    let encoded = |write: &dyn Fn(&mut Assembler)| {
        encoded(&|code| {
            code.width = Width::Eight;
            write(code);
        })
    };
    // vmovupd zmm17, [r13 + rax + 4096]
    let bytes = encoded(&|c| c.load_row(17, l));
    let want = [0x62, 0xc1, 0xfd, 0x48, 0x10, 0x8c, 5, 0, 0x10, 0, 0];
    assert_eq!(bytes, want);
    // vmovupd [r13 + rax + 4096], zmm9
    let bytes = encoded(&|c| c.store_row(l, 9));
    let want = [0x62, 0x51, 0xfd, 0x48, 0x11, 0x8c, 5, 0, 0x10, 0, 0];
    assert_eq!(bytes, want);
    // vmovapd zmm3, zmm25
    let bytes = encoded(&|c| c.copy_row(3, 25));
    assert_eq!(bytes, [0x62, 0x91, 0xfd, 0x48, 0x28, 0xd9]);
    // vaddpd zmm1, zmm28, zmm18
    let bytes = encoded(&|c| c.arithmetic_row(Arithmetic::Add, 1, 28, Operand::Register(18)));
    assert_eq!(bytes, [0x62, 0xb1, 0x9d, 0x40, 0x58, 0xca]);
    // vaddpd zmm1, zmm12, [r13 + rax + 4096]
    let bytes = encoded(&|c| c.arithmetic_row(Arithmetic::Add, 1, 12, Operand::Row(l)));
    let want = [0x62, 0xd1, 0x9d, 0x48, 0x58, 0x8c, 5, 0, 0x10, 0, 0];
    assert_eq!(bytes, want);
    // vsqrtpd zmm3, zmm25
    let bytes = encoded(&|c| c.square_root_row(3, Operand::Register(25)));
    assert_eq!(bytes, [0x62, 0x91, 0xfd, 0x48, 0x51, 0xd9]);
    // vpxorq zmm19, zmm2, zmm15
    let bytes = encoded(&|c| c.bits_row(Bits::Xor, 19, 2, Operand::Register(15)));
    assert_eq!(bytes, [0x62, 0xc1, 0xed, 0x48, 0xef, 0xdf]);
    // vpxorq zmm3, zmm9, [rip - 10]{1to8}
    let bytes = encoded(&|c| c.bits_row(Bits::Xor, 3, 9, Operand::Pool(0)));
    let want = [0x62, 0xf1, 0xb5, 0x58, 0xef, 0x1d, 0xf6, 0xff, 0xff, 0xff];
    assert_eq!(bytes, want);
    // vfmadd231pd zmm24, zmm1, zmm2
    let bytes = encoded(&|c| c.multiply_add_row(24, 1, Operand::Register(2)));
    assert_eq!(bytes, [0x62, 0x62, 0xf5, 0x48, 0xb8, 0xc2]);
    // vbroadcastsd zmm28, [rbx + 8]
    let bytes = encoded(&|c| c.spread(28, u));
    let want = [0x62, 0x62, 0xfd, 0x48, 0x19, 0xa3, 8, 0, 0, 0];
    assert_eq!(bytes, want);
}

#[test]
fn steps_of_loops_are_encoded() {
    let bytes = encoded(&|c| {
        let begin = c.begin_steps();
        let from = c.cursor(32, 16);
        c.load(9, from);
        c.end_steps(begin, 1);
    });
    let want = [
        // push rbx, rbp, r12, r13, r14, r15; sub rsp, 8
        &[0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57][..],
        &[0x48, 0x83, 0xec, 8],
        // mov rbx, rdi; mov r13, rsi; mov r14, rdx; mov r15, rcx; mov r12, r8; mov rbp, r9
        &[0x48, 0x89, 0xfb, 0x49, 0x89, 0xf5, 0x49, 0x89, 0xd6],
        &[0x49, 0x89, 0xcf, 0x4d, 0x89, 0xc4, 0x4c, 0x89, 0xcd],
        // mov rax, [r12 + 256]; vmovsd xmm9, [rax + 16]
        &[0x49, 0x8b, 0x84, 0x24, 0, 1, 0, 0],
        &[0xc4, 0x61, 0x7b, 0x10, 0x48, 16],
        // mov rax, [r12 + 8]; add [r12], rax
        &[0x49, 0x8b, 0x84, 0x24, 8, 0, 0, 0],
        &[0x49, 0x01, 0x84, 0x24, 0, 0, 0, 0],
        // dec rbp; jnz to the first mov
        &[0x48, 0xff, 0xcd, 0x0f, 0x85, 0xd9, 0xff, 0xff, 0xff],
        // add rsp, 8; pop r15, r14, r13, r12, rbp, rbx; ret
        &[0x48, 0x83, 0xc4, 8, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d],
        &[0x41, 0x5c, 0x5d, 0x5b, 0xc3],
    ];
    assert_eq!(bytes, want.concat());
}

/// A number is read before another one takes its place; where all wait for each other, there is no order.
#[test]
fn links_are_put_in_order() {
    let slot = |k| Slot::new(k, true);
    let moves = |links: &[(u32, u32)]| Moves {
        links: links.iter().map(|&(a, b)| (slot(a), slot(b))).collect(),
        ..Moves::default()
    };
    let ordered = |links: &[(u32, u32)]| moves(links).in_order();
    // b, c, new to a, b, c, whatever order they are given in.
    let chain = ordered(&[(3, 2), (1, 0), (2, 1), (5, 5)]).expect("there is one");
    let want = [(1, 0), (2, 1), (3, 2)].map(|(a, b)| (slot(a), slot(b)));
    assert_eq!(chain, want);
    assert_eq!(ordered(&[(0, 1), (1, 0)]), None);
    // One number to two places, its own among them.
    assert_eq!(ordered(&[(0, 0), (0, 1)]), Some(vec![(slot(0), slot(1))]));
}

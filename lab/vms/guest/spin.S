/* A guest that is its own firmware: every vCPU is busy for a chosen share of the time.
 *
 * From SHARES on the image holds one byte per APIC id: percent of the time that this vCPU computes. Python
 * writes them (lab/vms/guest/__init__.py); the rest is the same for every VM. As firmware it runs a moment after
 * the reset, where a BIOS would spend seconds in nested virtualization.
 *
 * The first CPU copies the code to 0x8000, a page boundary, where the others can start (SIPI vector 8), and
 * all go on there. Each CPU gives itself access to 4 GB through fs ("unreal mode") to reach its local APIC,
 * sets that one's timer to 100 periods a second, and in each period computes until the timer's count has come
 * down to its share, then halts until the next. QEMU and KVM count at 1 GHz (hw/intc/apic.c count_shift;
 * arch/x86/kvm/lapic.c APIC_BUS_CYCLE_NS = 1).
 *
 * Looking at the count takes a lock in QEMU, so a CPU computes in between, for as many turns of a loop as fill
 * about QUANTUM.
 *
 * In every period the first CPU starts one other that has not reported yet, so a vCPU that is plugged later
 * is at work within half a second.
 */
        .intel_syntax noprefix
        .code16

        .equ ROM, 0xF000                /* segment of the last 64 KiB below 1 MiB */
        .equ SEGMENT, 0x0800            /* this code runs at 0x8000 */
        .equ SHARES, 0x1C0
        .equ SIZE, 0x200
        .equ APIC, 0xFEE00000
        .equ APIC_ID, 0x20
        .equ APIC_EOI, 0xB0
        .equ APIC_SPURIOUS, 0xF0
        .equ APIC_COMMAND, 0x300
        .equ APIC_DESTINATION, 0x310
        .equ APIC_TIMER, 0x320
        .equ APIC_INITIAL_COUNT, 0x380
        .equ APIC_CURRENT_COUNT, 0x390
        .equ APIC_DIVIDE, 0x3E0
        .equ VECTOR, 0x40
        .equ PERIOD, 10000000           /* ns */
        .equ QUANTUM, 50000             /* ns between two looks at the count, about */
        .equ FEWEST, 16                 /* turns of the loop in that time: a KVM that emulates real mode does few */
        .equ MOST_TURNS, 65536
        .equ MOST, 32                   /* vCPUs */
        .equ STACKS, 0x7000             /* 256 bytes below for each CPU */

        .globl _start
_start: cli
        cld
        mov     ax, cs
        cmp     ax, SEGMENT
        je      ready                   /* not the first CPU: a SIPI brought it here */

        mov     ds, ax
        xor     ax, ax
        mov     es, ax
        mov     word ptr es:[VECTOR * 4], offset tick
        mov     word ptr es:[VECTOR * 4 + 2], SEGMENT
        mov     ax, SEGMENT
        mov     es, ax
        xor     si, si
        xor     di, di
        mov     cx, SIZE / 2
        rep movsw
        mov     al, 0xFF                /* no interrupts but our own */
        out     0x21, al
        out     0xA1, al
        ljmp    SEGMENT:ready

ready:  mov     ax, cs
        mov     ds, ax
        data32 lgdt [table]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        mov     dx, 8
        mov     fs, dx
        and     al, 0xFE
        mov     cr0, eax

        mov     ebp, APIC               /* kept for good: ebp, bx = own APIC id, esi = the count to halt at */
        mov     ebx, fs:[ebp + APIC_ID]
        shr     ebx, 24
        cmp     bx, MOST
        jae     rest
        mov     byte ptr [bx + reported], 1
        xor     ax, ax
        mov     ss, ax
        mov     ax, bx
        shl     ax, 8
        mov     sp, STACKS
        sub     sp, ax

        mov     eax, 100
        sub     al, [bx + shares]
        imul    esi, eax, PERIOD / 100
        cmp     esi, PERIOD
        jb      begin
        test    bx, bx
        jnz     rest                    /* nothing to do, ever; the first CPU still starts others */

begin:  mov     dword ptr fs:[ebp + APIC_SPURIOUS], 0x1FF
        mov     dword ptr fs:[ebp + APIC_DIVIDE], 0xB
        mov     dword ptr fs:[ebp + APIC_TIMER], 0x20000 + VECTOR
        mov     dword ptr fs:[ebp + APIC_INITIAL_COUNT], PERIOD

        mov     edx, FEWEST             /* kept: edx = turns of the loop, edi = the count when last read */
        mov     edi, PERIOD
        jmp     look

work:   sti
        mov     ecx, edx
1:      dec     ecx
        jnz     1b
look:   cli
        mov     eax, fs:[ebp + APIC_CURRENT_COUNT]
        sub     edi, eax                /* ns since the last look; negative over a period's end: much */
        cmp     edi, QUANTUM
        mov     edi, eax
        jae     2f
        cmp     edx, MOST_TURNS
        jae     3f
        shl     edx, 1
        jmp     3f
2:      cmp     edx, FEWEST
        jbe     3f
        shr     edx, 1
3:      cmp     eax, esi
        ja      work
        sti                             /* takes effect after hlt has begun: no tick is lost in between */
        hlt
        jmp     look

rest:   cli
        hlt
        jmp     rest

tick:   mov     dword ptr fs:[ebp + APIC_EOI], 0
        test    bx, bx
        jnz     5f
        push    eax
        push    edi
        mov     di, [next]
        inc     di
        and     di, MOST - 1
        mov     [next], di
        cmp     byte ptr [di + reported], 0
        jne     4f
        mov     eax, edi
        shl     eax, 24
        mov     fs:[ebp + APIC_DESTINATION], eax
        mov     dword ptr fs:[ebp + APIC_COMMAND], 0x4500               /* INIT */
        mov     dword ptr fs:[ebp + APIC_COMMAND], 0x4600 + SEGMENT / 256 /* SIPI */
4:      pop     edi
        pop     eax
5:      iretw

        .balign 8
table:  .word   2f - 1f - 1             /* of this the CPU reads six bytes: limit and linear address */
        .long   SEGMENT * 16 + 1f
1:      .quad   0
        .quad   0x00CF92000000FFFF      /* data, base 0, limit 4 GB */
2:
next:   .word   0
reported:
        .fill   MOST, 1, 0

        .org    SHARES
shares: .fill   MOST, 1, 0

        .org    0xFFF0                  /* the first CPU starts here */
        ljmp    ROM:_start
        .org    0x10000

! A Fortran host: the functions of jetsim.h through iso_c_binding.
!   gfortran fortran.f90 libjetsim.a -o fortran
module jetsim
  use, intrinsic :: iso_c_binding
  implicit none
  interface
    function jetsim_open() bind(c)
      import :: c_ptr
      type(c_ptr) :: jetsim_open
    end function
    subroutine jetsim_close(model) bind(c)
      import :: c_ptr
      type(c_ptr), value :: model
    end subroutine
    function jetsim_size(model, list) bind(c)
      import :: c_ptr, c_int, c_size_t
      type(c_ptr), value :: model
      integer(c_int), value :: list
      integer(c_size_t) :: jetsim_size
    end function
    function jetsim_work_bytes(model, n) bind(c)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: model
      integer(c_size_t), value :: n
      integer(c_size_t) :: jetsim_work_bytes
    end function
    function jetsim_sample_f64(model, work, seed, first_event, n, given, out) bind(c)
      import :: c_ptr, c_int8_t, c_int64_t, c_size_t, c_double, c_int
      type(c_ptr), value :: model
      integer(c_int8_t) :: work(*)
      integer(c_int64_t), value :: seed, first_event
      integer(c_size_t), value :: n
      real(c_double), intent(in) :: given(*)
      real(c_double), intent(out) :: out(*)
      integer(c_int) :: jetsim_sample_f64
    end function
  end interface
end module

program fortran
  use jetsim
  implicit none
  integer, parameter :: n = 5
  type(c_ptr) :: model
  integer(c_int8_t), allocatable :: work(:)
  real(c_double), allocatable :: given(:, :), out(:, :)
  integer(c_size_t) :: columns
  integer :: k
  model = jetsim_open()
  if (.not. c_associated(model)) stop 1
  columns = jetsim_size(model, 1_c_int)
  allocate (given(jetsim_size(model, 0_c_int), n), out(columns, n), work(jetsim_work_bytes(model, int(n, c_size_t))))
  given = 0
  given(1, :) = [(40d0 + 10d0*k, k=1, n)]  ! GenJet_pt, the first given column
  given(4, :) = 8                          ! GenJet_mass
  given(7, :) = 30                         ! Pileup_nPU
  if (jetsim_sample_f64(model, work, 1_c_int64_t, 100_c_int64_t, int(n, c_size_t), given, out) /= 0) stop 2
  do k = 1, n
    write (*, '(*(es25.17, 1x))') out(:, k)
  end do
  call jetsim_close(model)
end program
